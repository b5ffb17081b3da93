//! nginx, one worker, in three places: from its configuration, from a file, and from a cache in front of the Python responder.
//!
//! An nginx string cannot hold the NUL octets of an OCSP answer: by `return` it answers text of the same length.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use ocspry_testkit::HttpClient;

use super::{Places, Rival, Started, directory_of, pyca, starting, version_of};
use crate::asking::Expected;
use crate::peer_pki::PeerPki;

/// Those that are places of the one nginx.
pub(super) const IS: [Rival; 3] = [Rival::NginxReturn, Rival::NginxFile, Rival::NginxProxyCache];

pub(super) fn start(
    pki: &PeerPki,
    places: &Places,
    wanted: &[Rival],
    answer: &[u8],
) -> Result<Vec<Started>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let directory = directory_of(pki, "nginx")?;
    std::fs::write(directory.join("answer.der"), answer)?;
    let text = "x".repeat(answer.len());
    let behind = if wanted.contains(&Rival::NginxProxyCache) {
        Some(pyca::start(pki, places)?.server)
    } else {
        None
    };
    let program = find(&["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"])
        .context("nginx is not here (Debian package nginx-light)")?;
    let (file_port, cache_port) = (starting::free_port()?, starting::free_port()?);
    let command = |port: u16| -> Result<Command> {
        let file = directory.join("nginx.conf");
        let ports = Ports {
            text: port,
            file: file_port,
            cache: cache_port,
            behind: behind.as_ref().map(|server| server.port),
        };
        std::fs::write(&file, configuration(&directory, &text, &ports))?;
        let mut command = starting::on_core_0(program);
        command.arg("-e").arg(directory.join("error.log"));
        command.arg("-c").arg(file);
        Ok(command)
    };
    let log = directory.join("output");
    let nginx = starting::on_a_free_port(Rival::NginxReturn.name(), &log, command, |port| {
        HttpClient::connect(port)?.get("/")?;
        Ok(())
    })?;
    pki.checked_get(file_port)?;
    if behind.is_some() {
        pki.checked_answer(cache_port)?;
    }
    let version = version_of(Path::new(program), "-v");
    let idle_kib = nginx.memory_kib()?;
    let mut behind = behind;
    let also = |rival: Rival, port| Started {
        rival,
        server: nginx.also_at(rival.name(), port),
        expected: Expected::Answer(rival.nonce_answer()),
        version: version.clone(),
        idle_kib,
        behind: Vec::new(),
    };
    let mut started = Vec::new();
    if wanted.contains(&Rival::NginxFile) {
        started.push(also(Rival::NginxFile, file_port));
    }
    if wanted.contains(&Rival::NginxProxyCache) {
        let mut cache = also(Rival::NginxProxyCache, cache_port);
        cache.behind.extend(behind.take());
        started.push(cache);
    }
    // This one has the process, and ends it.
    started.push(Started {
        rival: Rival::NginxReturn,
        expected: Expected::Constant(text.into_bytes()),
        version,
        idle_kib,
        server: nginx,
        behind: Vec::new(),
    });
    Ok(started)
}

struct Ports {
    text: u16,
    file: u16,
    cache: u16,
    behind: Option<u16>,
}

fn configuration(directory: &Path, text: &str, ports: &Ports) -> String {
    let directory_name = directory.display();
    let cache = ports.behind.map_or_else(String::new, |behind| {
        format!(
            "proxy_cache_path {directory_name}/cache levels=1:2 keys_zone=answers:10m max_size=100m;\n\
             upstream responder {{ server 127.0.0.1:{behind}; keepalive 8; }}\n\
             server {{ listen 127.0.0.1:{cache}; location / {{\n\
             proxy_pass http://responder; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
             proxy_cache answers; proxy_cache_methods GET POST; proxy_cache_valid 200 10m; proxy_cache_lock on;\n\
             proxy_cache_key \"$request_method$request_uri$request_body\"; client_body_buffer_size 16k;\n\
             client_max_body_size 16k; }} }}\n",
            cache = ports.cache,
        )
    });
    let http = format!(
        "access_log off; keepalive_requests 1000000000; default_type application/ocsp-response;\n\
         sendfile on; tcp_nopush on; open_file_cache max=10;\n\
         server {{ listen 127.0.0.1:{}; location / {{ return 200 \"{text}\"; }} }}\n\
         server {{ listen 127.0.0.1:{}; root {directory_name}; location / {{ try_files /answer.der =404; }} }}\n\
         {cache}",
        ports.text, ports.file
    );
    let configuration = ocspry_testkit::nginx_configuration(directory, "nginx.pid", &http);
    format!("daemon off;\n{configuration}")
        .replace("events {}", "events { worker_connections 4096; }")
}

fn find<'a>(candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .copied()
        .find(|candidate| Path::new(candidate).is_file())
}
