//! What is drawn on a terminal while a start takes long, and nowhere else.

use std::time::{Duration, Instant};

use ocspry_testkit::CrlSpec;

use crate::site::{CONFIGURATION, OCSPRY, Site};

/// A second of work, or two, for a debug build.
const ENTRIES: u32 = 400_000;

/// Long enough for a bar, also where the second load is four times as fast.  A release build is done before it comes.
const LONG: Duration = Duration::from_secs(2);

#[test]
fn a_first_load_that_takes_long_draws_a_bar_on_a_terminal_and_nothing_elsewhere() {
    let site = Site::new();
    let serial = |number: u32| (number + 0x0100_0000).to_be_bytes();
    let list = (0..ENTRIES).fold(CrlSpec::new(11), |list, number| {
        list.revoke(&serial(number), None)
    });
    site.write_crl(&list);
    site.write("ocspry.toml", CONFIGURATION);
    let check = format!("{OCSPRY} config check -c ocspry.toml");

    let started = Instant::now();
    let run = site.shell(None, &check);
    let elapsed = started.elapsed();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!run.stderr.contains("left: "), "{run:?}");

    let run = site.shell(None, &format!("TERM=xterm script -qec '{check}' /dev/null"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let reading = run.stdout.contains("left: ");
    if reading {
        for part in [" %, ", "iB of ", "B/s", "left: crl.pem"] {
            assert!(run.stdout.contains(part), "no {part:?} in {run:?}");
        }
    }
    // It may be read before the bar comes, and be sorted after.
    let sorting = run.stdout.contains("sorting: crl.pem");
    assert!(reading || sorting || elapsed < LONG, "{run:?}");
    // No other bar came before it, and nothing of it is left on the screen.
    assert!(!run.stdout.contains("0/0"), "{run:?}");
    if let Some(drawn) = run.stdout.rfind("left: ") {
        assert!(run.stdout[drawn..].contains("\x1b[2K"), "{run:?}");
    }
}
