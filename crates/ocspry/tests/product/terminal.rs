//! What is drawn on a terminal while a start takes long, and nowhere else.

use std::time::{Duration, Instant};

use ocspry_testkit::CrlSpec;

use crate::site::{CONFIGURATION, OCSPRY, Site};

/// A second of work, or two, for a debug build.
const ENTRIES: u32 = 400_000;

/// Long enough for a bar, also where the second load is the faster one.  A release build is done before it comes.
const LONG: Duration = Duration::from_secs(1);

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
    if elapsed > LONG {
        for part in [" %, ", "MiB of ", "MiB/s", "left: ", "crl.pem"] {
            assert!(run.stdout.contains(part), "no {part:?} in {run:?}");
        }
    }
    // Nothing of it is left on the screen.
    let drawn = run.stdout.rfind("left: ").unwrap_or(0);
    assert!(run.stdout[drawn..].contains("\x1b[2K"), "{run:?}");
}
