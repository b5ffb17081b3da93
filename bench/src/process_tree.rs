//! What a process and all that descend from it take, by /proc.  From: a process id.  To: `Server`.
//!
//! A server may fork, and a child may end while it is measured: what a process waited for counts as its own.

use std::fs;

use anyhow::{Context as _, Result};

/// User and system time of all of them since they started, in microseconds.
pub fn cpu_us(root: u32) -> Result<u64> {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let mut ticks = ticks_of(root)?;
    for pid in below(root) {
        // One that ended since is counted by its parent.
        ticks += ticks_of(pid).unwrap_or(0);
    }
    Ok(ticks * 1_000_000 / ticks_per_second)
}

/// Memory of all of them; a page that several processes have is divided among these.
pub fn memory_kib(root: u32) -> Result<u64> {
    let mut sum = proportional_kib(root)?;
    for pid in below(root) {
        sum += proportional_kib(pid).unwrap_or(0);
    }
    Ok(sum)
}

/// All that descend from it.
fn below(root: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut ahead = vec![root];
    while let Some(pid) = ahead.pop() {
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children
                .split_ascii_whitespace()
                .filter_map(|one| one.parse().ok());
            for child in children {
                found.push(child);
                ahead.push(child);
            }
        }
    }
    found
}

fn ticks_of(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    ticks(&fs::read_to_string(&path).context(path)?)
}

/// Its own time, and that of the children it waited for.
fn ticks(stat: &str) -> Result<u64> {
    // A name in parentheses may hold anything.  Behind it: state is field 3, utime to cstime are 14 to 17.
    let (_, behind) = stat.rsplit_once(')').context("no name in parentheses")?;
    behind
        .split_ascii_whitespace()
        .skip(11)
        .take(4)
        .map(|field| Ok(field.parse::<u64>()?))
        .sum()
}

fn proportional_kib(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    Ok(number.context("no Pss")?.parse()?)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn time_is_read_behind_a_name_that_looks_like_the_end_of_one() {
        let stat =
            "7 (a ) 1 2) S 1 7 7 0 -1 4194560 100 200 0 0 30 4 500 6000 20 0 1 0 99 1000 200";
        assert_eq!(ticks(stat).unwrap(), 6534);
        assert!(ticks("7 a S 1").is_err());
    }

    #[test]
    fn a_child_of_a_child_counts() {
        let mut shell = Command::new("sh")
            .args(["-c", "exec 3<&0; cat <&3 & echo $!; wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It names the other one when that is there.
        let mut line = String::new();
        let stdout = shell.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let children = below(shell.id());
        let memory_kib = memory_kib(shell.id()).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(children, [line.trim().parse::<u32>().unwrap()]);
        assert!(memory_kib > 0);
    }
}
