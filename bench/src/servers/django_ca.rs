//! The OCSP view of django-ca over SQLite, by gunicorn with one worker of one thread that keeps connections.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Places, Rival, Started, said, starting};
use crate::peer_pki::{CA_NAME, PeerPki};

pub(super) fn start(pki: &PeerPki, places: &Places) -> Result<Started> {
    let rival = Rival::DjangoCa;
    let project = places.rivals.join("django_ca");
    let ready = |command: &mut Command| {
        command
            .current_dir(&project)
            .env("DJANGO_SETTINGS_MODULE", "settings")
            .env("PYTHONPATH", &project)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BENCH_DIRECTORY", pki.directory())
            .env("BENCH_CA", CA_NAME);
    };
    let file = |name: &str| pki.path(name).display().to_string();
    let manage = |arguments: &[&str]| -> Result<()> {
        let mut command = Command::new(&places.python);
        ready(&mut command);
        command.args(["-m", "django"]).args(arguments);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    manage(&["migrate", "--verbosity", "0"])?;
    manage(&["import_ca", CA_NAME, &file("ca.key"), &file("ca.pem")])?;
    manage(&["import_cert", "--ca", CA_NAME, &file("asked.pem")])?;
    let command = |port: u16| {
        let mut command = starting::on_core_0(&places.python);
        ready(&mut command);
        command.args(["-m", "gunicorn", "--workers", "1"]);
        command.args([
            "--worker-class",
            "gthread",
            "--threads",
            "1",
            "--keep-alive",
            "30",
        ]);
        command.args(["--log-level", "warning", "--bind"]);
        command.arg(format!("127.0.0.1:{port}")).arg("wsgi");
        Ok(command)
    };
    let log = pki.path("django-ca.log");
    let server = starting::on_a_free_port(rival.name(), &log, command, |port| {
        pki.checked_answer(port).map(drop)
    })
    .context("django-ca (packages of bench/rivals/requirements.txt)")?;
    Started::alone(rival, server, version(&places.python))
}

fn version(python: &Path) -> String {
    let line = "import django_ca, django, gunicorn; print('django-ca', django_ca.__version__, \
                'Django', django.__version__, 'gunicorn', gunicorn.__version__)";
    said(Command::new(python).args(["-c", line]))
}
