//! What nginx must be told to run in a directory of a test: nothing of it is written anywhere else, and its workers can
//! enter.  From: the tests that start one.  To: its configuration file.

use std::path::Path;

/// A whole configuration: these lines as its `http` block, one worker, the process id in `pid_file` of `directory`.
pub fn nginx_configuration(directory: &Path, pid_file: &str, http: &str) -> String {
    let directory = directory.display();
    // Started by root, its workers would be somebody who may not enter the directory.
    let user = if rustix::process::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {directory}/{name};\n"))
        .collect();
    format!(
        "{user}pid {directory}/{pid_file};\nworker_processes 1;\nevents {{}}\nhttp {{\n{temporary}{http}\n}}\n"
    )
}
