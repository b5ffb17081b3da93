//! Which issuers are one, what changes them, and what is worth a warning.

use ocspry_core::NonceOverBudget;

use super::*;

#[test]
fn two_issuers_of_one_name_and_key_are_refused_at_the_second() {
    let files = Files::new();
    let again = GOOD.split_once("[issuer.one]").unwrap().1;
    let lines = files
        .refuse(&format!("{GOOD}[issuer.again]{again}"))
        .lines();
    let expected = format!(
        "{}:12: issuer `again` is the same CA as issuer `one`: CN=one",
        files.path("c.toml").display()
    );
    assert_eq!(lines, [expected]);
}

#[test]
fn a_changed_issuer_keeps_list_and_credential_when_its_files_have_become_bad() {
    let files = Files::new();
    let before = files.load(GOOD).unwrap();
    let (running, _) = assemble::build(&before.issuers[0], None, None, None, &[], NOW);
    fs::write(files.path("one.crl"), "damaged").unwrap();
    // The delegate lives for a day.
    let later = NOW.plus_seconds(2 * 86_400);
    let changed = files.load(&GOOD.replace("12h", "6h")).unwrap();
    let (rebuilt, look) = assemble::build(&changed.issuers[0], None, None, None, &[running], later);
    assert_eq!(look.causes(&rebuilt).len(), 2, "{look:?}");
    assert!(rebuilt.can_answer() && !rebuilt.can_answer_at(later));

    let other_key = GOOD.replace("one-ocsp.key", "two-ocsp.key");
    let changed = files.load(&other_key).unwrap();
    let (other, _) = assemble::build(&changed.issuers[0], None, None, None, &[rebuilt], NOW);
    assert!(
        !other.can_answer(),
        "a credential of other files is not carried over"
    );
}

#[test]
fn an_issuer_is_the_same_wherever_it_stands_and_another_with_every_change() {
    let files = Files::new();
    let issuer = |text: &str| files.load(text).unwrap().issuers.remove(0);
    let good = issuer(GOOD);
    let moved = issuer(&GOOD.replace("[issuer.one]", "# moved\n\n[issuer.one]"));
    assert!(good.makes_the_same_as(&moved));
    for (from, to) in [
        ("[issuer.one]", "[issuer.uno]"),
        ("one.pem", "two.pem"),
        ("one.crl", "two.crl"),
        ("one-ocsp.key", "two-ocsp.key"),
        ("12h", "6h"),
        ("echo", "ignore"),
    ] {
        assert!(
            !good.makes_the_same_as(&issuer(&GOOD.replace(from, to))),
            "{to}"
        );
    }
}

#[test]
fn the_stamps_of_a_configuration_are_those_before_it_was_read() {
    let files = Files::new();
    let config = files.load(GOOD).unwrap();
    let paths = [files.path("c.toml"), files.path("one.pem")];
    let now = || FileStamps::of(paths.iter().map(PathBuf::as_path));
    assert_eq!(config.structure, now());
    fs::copy(files.path("two.pem"), files.path("new.pem")).unwrap();
    fs::rename(files.path("new.pem"), files.path("one.pem")).unwrap();
    assert_eq!(now().changed_since(&config.structure), [paths[1].as_path()]);
}

#[test]
fn a_ca_certificate_that_is_none_is_worth_a_warning() {
    let files = Files::new();
    let text = GOOD.replace("\"one.pem\"", "\"one-ocsp.pem\"");
    let warnings = files.load(&text).unwrap().warnings;
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}")
    };
    let warning = warning.to_string();
    assert!(
        warning.contains("CN=one-ocsp is not marked as a CA"),
        "{warning}"
    );
}

#[test]
fn stale_until_is_a_time_at_most_seven_days_ahead_and_a_warning_in_any_case() {
    let files = Files::new();
    let with = |time: &str| GOOD.to_owned() + &format!("stale-until = \"{time}\"\n");
    let latest = NOW.plus_seconds(7 * 86_400);
    for until in [NOW.plus_seconds(1), latest] {
        let config = files.load(&with(&until.to_string())).unwrap();
        assert_eq!(config.issuers[0].policy.stale_until, Some(until));
        let warning = config.warnings[0].to_string();
        assert!(
            warning.starts_with("issuer one: stale-until is set"),
            "{warning}"
        );
    }
    for past in [NOW, NOW.plus_seconds(-86_400)] {
        let config = files.load(&with(&past.to_string())).unwrap();
        assert_eq!(config.issuers[0].policy.stale_until, None);
        let warning = config.warnings[0].to_string();
        assert!(warning.contains("has no effect any more"), "{warning}");
    }
    let refused = files
        .refuse(&with(&latest.plus_seconds(1).to_string()))
        .render();
    for part in ["at most 7 days ahead", &latest.to_string()] {
        assert!(refused.contains(part), "no {part} in {refused}");
    }
    for text in [
        "2026-12-01",
        "2026-12-01 12:00:00Z",
        "2026-12-01T12:00:00+00:00",
        "2026-12-01T12:00:00.5Z",
        "2026-13-01T12:00:00Z",
        "20261201120000Z",
        "12h",
        "",
    ] {
        let refused = files.refuse(&with(text)).render();
        assert!(
            refused.contains("write it in UTC and whole seconds"),
            "{refused}"
        );
    }
}

#[test]
fn over_the_budget_a_nonce_gets_what_unable_says_unless_its_own_key_says_otherwise() {
    let files = Files::new();
    let (try_later, http_503) = (r#"unable = "try-later""#, r#"unable = "http-503""#);
    let own = |word: &str| format!("nonce-over-budget = \"{word}\"");
    for (unable, own, expected) in [
        ("", String::new(), NonceOverBudget::TryLater),
        (try_later, String::new(), NonceOverBudget::TryLater),
        (http_503, String::new(), NonceOverBudget::Http503),
        (try_later, own("http-503"), NonceOverBudget::Http503),
        (http_503, own("try-later"), NonceOverBudget::TryLater),
        (
            http_503,
            own("without-nonce"),
            NonceOverBudget::WithoutNonce,
        ),
    ] {
        let config = files.load(&format!("{GOOD}{unable}\n{own}\n")).unwrap();
        let policy = &config.issuers[0].policy;
        assert_eq!(policy.nonce_over_budget, expected, "{unable} {own}");
    }
}
