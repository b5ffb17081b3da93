//! Certificates signed and revoked in a second, one command each, and many by one command.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::answers::{make_request, sign};
use crate::office::{CA, Office};
use crate::options::Options;

pub(crate) fn measure(options: &Options) -> Result<Value> {
    let office = Office::open(options, "rates")?;
    make_request(&office)?;
    let singles = options.repeats as u64;
    office.import(singles + options.batch)?;
    println!("\nsigned and revoked, one command each");
    let started_only = rate(options.repeats, || office.run(&["--version"]).map(drop))?;
    let peer = rate(options.repeats, || {
        let line = "x509 -req -in www.csr -CA ca.pem -CAkey ca.key -days 90 -out www.pem";
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = office.command("openssl", &arguments).output()?;
        ensure!(output.status.success(), "openssl {line}");
        Ok(())
    })?;
    let signed = rate(options.repeats, || sign(&office))?;
    let mut number = 0;
    let revoked = rate(options.repeats, || {
        let serial = office.serial_hex(number);
        number += 1;
        let arguments = ["cert", "revoke", &serial, "--yes", "--json"];
        office.run(&arguments).map(drop)
    })?;
    println!(
        "  a process that does nothing: {started_only:.0}/s; openssl x509 -req: {peer:.0}/s; cert sign: {signed:.0}/s ({:.2} x); cert revoke: {revoked:.0}/s",
        signed / peer
    );

    let mut list = String::new();
    for number in singles..singles + options.batch {
        list += &office.serial_hex(number);
        list.push('\n');
    }
    std::fs::write(office.path("serials.txt"), list)?;
    let batch = office.run(&[
        "cert",
        "revoke",
        "--ca",
        CA,
        "--from",
        "serials.txt",
        "--yes",
        "--json",
    ])?;
    let in_batch = options.batch as f64 / batch.cost.wall_s;
    println!(
        "  {} by one list: {:.2} s, {in_batch:.0}/s",
        options.batch, batch.cost.wall_s
    );
    Ok(json!({
        "repeats": options.repeats,
        "process_per_second": started_only,
        "openssl_x509_req_per_second": peer,
        "sign_per_second": signed,
        "revoke_per_second": revoked,
        "batch": options.batch,
        "batch_cost": batch.cost.to_json(),
        "batch_revoked_per_second": in_batch,
    }))
}

fn rate(repeats: usize, mut act: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    for _ in 0..repeats {
        act()?;
    }
    Ok(repeats as f64 / started.elapsed().as_secs_f64())
}
