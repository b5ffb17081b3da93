//! What `ocspry audit verify` says of audit files that were changed, cut off or rotated, and what the next writer does there.

use crate::audit::{AUDIT, audited, events, facts, is_whole, last_fact, lines, verify};
use serde_json::Value;
use std::fs;

#[test]
fn verify_names_the_line_that_was_changed_removed_added_or_moved() {
    let site = audited();
    site.done(&format!("cert revoke ./a.pem --yes {AUDIT}"));
    let text = String::from_utf8(site.read("audit.jsonl")).unwrap();
    let whole: Vec<&str> = text.lines().collect();
    let count = whole.len();
    let broken = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = whole.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        site.write("broken.jsonl", lines.join("\n") + "\n");
        let finished = verify(&site, "broken.jsonl");
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stdout.contains("NOT whole"), "{finished:?}");
        finished.stdout
    };
    let last = count - 1;
    for (at, line) in [
        (4, "broken.jsonl:5: "),
        (last, &format!("broken.jsonl:{count}: ")),
    ] {
        let said = broken(&|lines| lines[at] = lines[at].replace("uid", "UID"));
        assert!(
            said.contains(line) && said.contains("it was changed"),
            "{said}"
        );
    }
    let said = broken(&|lines| drop(lines.remove(4)));
    assert!(
        said.contains("broken.jsonl:5: its sequence is 6 and not 5"),
        "{said}"
    );
    let said = broken(&|lines| lines.swap(4, 5));
    assert!(
        said.contains("broken.jsonl:5: its sequence is 6 and not 5"),
        "{said}"
    );
    let said = broken(&|lines| lines.insert(4, "{}".to_owned()));
    assert!(said.contains("broken.jsonl:5: it is not a line"), "{said}");
    let said = broken(&|lines| drop(lines.drain(..2)));
    assert!(
        said.contains("broken.jsonl:1: it is the first line and does not say"),
        "{said}"
    );
    // Another stream's line in its place is right by itself.
    let other = audited();
    other.done(&format!("cert revoke ./a.pem --yes {AUDIT}"));
    let theirs = String::from_utf8(other.read("audit.jsonl")).unwrap();
    let theirs: Vec<String> = theirs.lines().map(str::to_owned).collect();
    let said = broken(&|lines| lines[4].clone_from(&theirs[4]));
    assert!(
        said.contains("broken.jsonl:5: it leads on from another line"),
        "{said}"
    );

    let verdict: Value = serde_json::from_str(&verify(&site, "audit.jsonl --json").stdout).unwrap();
    assert_eq!(verdict["whole"], true);
    assert_eq!(verdict["files"][0]["last"]["sequence"], count);
    assert_eq!(verify(&site, "missing.jsonl").code, Some(1));
    site.write("empty.jsonl", "");
    assert_eq!(verify(&site, "empty.jsonl").code, Some(1));
    assert_eq!(verify(&site, "").code, Some(2));
}

#[test]
fn a_line_that_was_cut_off_is_told_as_that_and_marked_by_the_next_writer() {
    let site = audited();
    let whole = site.read("audit.jsonl");
    let count = lines(&site, "audit.jsonl").len();
    let start = whole[..whole.len() - 1]
        .iter()
        .rposition(|octet| *octet == b'\n')
        .unwrap()
        + 1;
    for kept in [start + 1, start + 40, whole.len() - 2] {
        site.write("audit.jsonl", &whole[..kept]);
        let verdict = is_whole(&site, "audit.jsonl");
        assert!(verdict.contains("torn end: the last "), "{verdict}");
        site.done(&format!(
            "ca edit root --ocsp-url http://o{kept}.example.com/ {AUDIT}"
        ));
        let verdict = is_whole(&site, "audit.jsonl");
        assert!(
            verdict.contains(&format!("audit.jsonl:{count}: cut off")),
            "{verdict}"
        );
        // The line that was lost is told anew, since its fact is in the ledger.
        let text = String::from_utf8(site.read("audit.jsonl")).unwrap();
        let told: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
    }
    // Only its end is missing: it is a line.
    site.write("audit.jsonl", &whole[..whole.len() - 1]);
    is_whole(&site, "audit.jsonl");
    site.done(&format!(
        "ca edit root --ocsp-url http://last.example.com/ {AUDIT}"
    ));
    let told = lines(&site, "audit.jsonl");
    assert!(!events(&told).contains(&"torn-end"));
    assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
}

#[test]
fn what_was_put_behind_the_last_line_by_hand_was_not_cut_off() {
    let site = audited();
    let whole = site.read("audit.jsonl");
    let count = lines(&site, "audit.jsonl").len();
    let broken = |content: &[u8]| {
        site.write("broken.jsonl", content);
        let finished = verify(&site, "broken.jsonl");
        assert_eq!(finished.code, Some(1), "{finished:?}");
        finished.stdout
    };
    let with = |more: &[u8]| [&whole[..], more].concat();
    let said = broken(&with(b"{\"event\":\"revoked\"}"));
    let place = format!("broken.jsonl:{}: it is not a line", count + 1);
    assert!(said.contains(&place), "{said}");
    // The beginning of a line that has another place.
    broken(&with(b"{\"sequence\":1,\"time\":\"2026"));
    // A whole line that says something else is none that was cut off, with an end or without.
    let text = String::from_utf8(whole.clone()).unwrap();
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
    let changed = format!("{before}\n{}", last.replace("REQ-1", "REQ-2"));
    let place = format!("broken.jsonl:{count}: ");
    let said = broken(changed.as_bytes());
    assert!(
        said.contains(&place) && said.contains("it was changed"),
        "{said}"
    );
    broken(b"nothing of the kind");
    // What the next writer finds there it marks, and it stays a break.
    site.write("audit.jsonl", with(b"by hand"));
    site.done(&format!(
        "ca edit root --ocsp-url http://o.example.com/ {AUDIT}"
    ));
    let finished = verify(&site, "audit.jsonl");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let place = format!("audit.jsonl:{}: it is not a line", count + 1);
    assert!(finished.stdout.contains(&place), "{finished:?}");
}

#[test]
fn a_writer_that_is_cut_off_while_it_marks_a_line_leaves_nothing_that_the_next_one_cannot_mark() {
    let site = audited();
    let whole = site.read("audit.jsonl");
    let count = lines(&site, "audit.jsonl").len();
    let cut_off = &whole[..whole.len() - 20];
    let mark = format!("{{\"sequence\":{count},\"time\":\"2026-11-");
    for more in ["\n", &format!("\n{mark}"), &format!("\n{mark}\n{mark}")] {
        site.write("audit.jsonl", [cut_off, more.as_bytes()].concat());
        let verdict = is_whole(&site, "audit.jsonl");
        assert!(verdict.contains("torn end: the last "), "{verdict}");
        site.done(&format!(
            "ca edit root --ocsp-url http://o{}.example.com/ {AUDIT}",
            more.len()
        ));
        let verdict = is_whole(&site, "audit.jsonl");
        assert!(
            verdict.contains(&format!("audit.jsonl:{count}: cut off")),
            "{verdict}"
        );
    }
}

#[test]
fn several_streams_are_verified_at_once_and_two_files_that_follow_one_are_a_break() {
    let (site, other) = (audited(), audited());
    for of_stream in [&site, &other] {
        fs::rename(
            of_stream.file("audit.jsonl"),
            of_stream.file("audit.jsonl.1"),
        )
        .unwrap();
        of_stream.done(&format!("cert revoke ./a.pem --yes {AUDIT}"));
    }
    site.write("other.jsonl.1", other.read("audit.jsonl.1"));
    site.write("other.jsonl", other.read("audit.jsonl"));
    is_whole(&site, "audit.jsonl audit.jsonl.1 other.jsonl other.jsonl.1");
    site.write("fork.jsonl", site.read("audit.jsonl"));
    let finished = verify(&site, "audit.jsonl.1 audit.jsonl fork.jsonl");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("it follows a file that is not"),
        "{finished:?}"
    );
}

#[test]
fn a_rotated_file_is_gone_on_from_in_the_next_one() {
    let site = audited();
    fs::rename(site.file("audit.jsonl"), site.file("audit.jsonl.1")).unwrap();
    site.done(&format!("cert revoke ./a.pem --yes {AUDIT}"));
    let (old, new) = (lines(&site, "audit.jsonl.1"), lines(&site, "audit.jsonl"));
    assert_eq!(new[0]["event"], "file-begun");
    assert_eq!(new[0]["after"], "audit.jsonl.1");
    assert_eq!(new[0]["previous"], old.last().unwrap()["hash"]);
    assert_eq!(
        new[0]["sequence"].as_u64(),
        old.last().unwrap()["sequence"]
            .as_u64()
            .map(|last| last + 1)
    );
    let told = [old, new].concat();
    assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
    is_whole(&site, "audit.jsonl audit.jsonl.1");
    // One in between is missing.
    fs::rename(site.file("audit.jsonl"), site.file("audit.jsonl.2")).unwrap();
    site.done(&format!(
        "ca edit root --ocsp-url http://o.example.com/ {AUDIT}"
    ));
    let finished = verify(&site, "audit.jsonl audit.jsonl.1");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished
            .stdout
            .contains("audit.jsonl:1: it follows a file that is not"),
        "{finished:?}"
    );
    is_whole(&site, "audit.jsonl audit.jsonl.1 audit.jsonl.2");
}
