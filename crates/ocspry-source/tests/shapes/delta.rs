//! A delta and its base (RFC 5280 §5.2.4): laid over it in every order, and never without it.

use ocspry_source::{DeltaGap, Unproven};
use ocspry_testkit::ScopeSpec;
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{
    Site, assert_says, end, gap, in_use, known_since, problem, problems, revocation, says,
};

const HOLD: Option<CrlReason> = Some(CrlReason::CertificateHold);

#[test]
fn dlt_01_a_complete_list_and_its_delta_are_added_up_in_either_order_of_the_files() {
    for names in [["a", "b"], ["b", "a"]] {
        let site = Site::new();
        site.put_list("a", &site.list(100, 20).revoke(&[1], None));
        site.put_list("b", &site.list(105, 10).over(100).revoke(&[2], None));
        let mut refresher = site.start(site.files(&names));
        let reports = refresher.refresh(site.now);
        assert_eq!(in_use(&reports).len(), 2, "{reports:?}");
        assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
        assert_eq!(problems(&refresher), [""; 0]);
    }
}

#[test]
fn dlt_01_a_delta_that_comes_first_waits_for_its_base() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["base", "delta"]));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let reports = refresher.refresh(site.now.plus_seconds(30));
    assert_eq!(gap(&reports), Some(&DeltaGap::NoBase));
    assert_says(&refresher, &[(1, TryLater), (2, TryLater), (3, TryLater)]);

    site.put_list("base", &site.list(100, 20).revoke(&[1], None));
    // Long after the delta was read: it is not read again.
    let reports = refresher.refresh(site.now.plus_seconds(60));
    assert_eq!(in_use(&reports).len(), 2, "{reports:?}");
    assert_eq!(gap(&reports), None);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
}

#[test]
fn dlt_02_a_hold_that_the_delta_lifts_is_good_again_and_another_stays() {
    let site = Site::new();
    site.put_list(
        "base",
        &site.list(100, 20).revoke(&[1], HOLD).revoke(&[2], HOLD),
    );
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked)]);
    site.put_list("delta", &site.list(101, 10).over(100).release(&[1]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Good)]);
}

#[test]
fn dlt_03_a_hold_made_permanent_has_the_reason_of_the_delta() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 20).revoke(&[1], HOLD));
    let permanent = Some(CrlReason::KeyCompromise);
    site.put_list(
        "delta",
        &site.list(101, 10).over(100).revoke(&[1], permanent),
    );
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    assert_eq!(revocation(&refresher, 1).reason, permanent);
}

#[test]
fn dlt_04_a_delta_over_a_newer_base_than_there_is_waits_until_that_comes() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30).revoke(&[1], None));
    site.put_list("delta", &site.list(205, 10).over(200).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    let reports = refresher.refresh(site.now.plus_seconds(30));
    assert!(
        matches!(gap(&reports), Some(DeltaGap::BaseTooOld { .. })),
        "{reports:?}"
    );
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);

    site.put_list("base", &site.list(200, 20).revoke(&[1], None));
    refresher.refresh(site.now.plus_seconds(60));
    assert_says(&refresher, &[(1, Revoked), (2, Revoked)]);
}

#[test]
fn dlt_05_a_delta_that_the_complete_list_has_overtaken_is_not_laid_over_it() {
    let site = Site::new();
    site.put_list("base", &site.list(300, 10).revoke(&[1], None));
    // Whether its time agrees with its number or not, and whatever it says.
    for delta in [
        site.list(200, 20).over(100).revoke(&[2], HOLD),
        site.list(200, 20).over(100).release(&[1]),
        site.list(200, 5).over(100).release(&[1]).revoke(&[2], HOLD),
    ] {
        site.put_list("delta", &delta);
        let mut refresher = site.start(site.files(&["base", "delta"]));
        let reports = refresher.refresh(site.now);
        assert_eq!(in_use(&reports).len(), 1, "{reports:?}");
        assert_says(&refresher, &[(1, Revoked), (2, Good)]);
        assert_eq!((gap(&reports), problems(&refresher).len()), (None, 0));
    }
}

#[test]
fn dlt_05_a_newer_complete_list_ends_the_delta_under_it() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 20).over(100).revoke(&[2], HOLD));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked)]);
    // The hold was lifted since.
    site.put_list("base", &site.list(200, 10));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Good)]);
}

#[test]
fn dlt_06_a_delta_alone_proves_nothing_good() {
    let site = Site::new();
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["delta"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (2, TryLater)]);
}

#[test]
fn dlt_06_a_part_of_which_only_the_delta_is_there_makes_nothing_good() {
    let site = Site::new();
    let part = |number: u64| ScopeSpec::part(&format!("http://crl.example/{number}.crl"));
    site.put_list("one", &site.list(1, 10).about(part(1)).revoke(&[1], None));
    site.put_list(
        "two-delta",
        &site.list(5, 10).over(4).about(part(2)).revoke(&[2], None),
    );
    let mut refresher = site.start(site.files(&["one", "two-delta"]));
    for seconds in [30, 60] {
        refresher.refresh(site.now.plus_seconds(seconds));
        assert_says(&refresher, &[(1, Revoked), (3, TryLater)]);
    }
    assert_eq!(refresher.unproven(), Some(Unproven::SourceMissing));
}

#[test]
fn what_a_delta_revoked_is_not_good_when_the_delta_is_lost_over_a_restart() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 20).revoke(&[1], None));
    let delta = site.list(105, 10).over(100).revoke(&[2], None);
    site.put_list("delta", &delta);
    let sources = site.files(&["base", "delta"]);
    site.restart(sources.clone()).refresh(site.now);
    site.remove("delta");
    let issuers = site.path("state/issuers");
    let issuer = std::fs::read_dir(issuers).unwrap().next().unwrap().unwrap();
    std::fs::remove_file(issuer.path().join("last-good-delta.crl")).unwrap();

    let mut refresher = site.restart(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, TryLater), (3, TryLater)]);
    assert_eq!(refresher.unproven(), Some(Unproven::DeltaLost));
    site.put_list("delta", &delta);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
}

#[test]
fn dlt_06_a_delta_is_never_used_without_its_base_after_a_restart_either() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 20).revoke(&[1], HOLD));
    site.put_list(
        "delta",
        &site
            .list(105, 10)
            .over(100)
            .release(&[1])
            .revoke(&[2], None),
    );
    let sources = site.files(&["base", "delta"]);
    site.restart(sources.clone()).refresh(site.now);
    site.remove("base");
    site.remove("delta");

    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Good)]);

    let kept = site.path("state/issuers");
    let issuer = std::fs::read_dir(kept)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::remove_file(issuer.join("last-good.crl")).unwrap();
    let mut refresher = site.restart(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (2, TryLater), (3, TryLater)]);
}

#[test]
fn dlt_07_a_delta_of_another_scope_is_not_laid_over_a_complete_list() {
    let site = Site::new();
    site.put_list(
        "base",
        &site
            .list(100, 20)
            .about(ScopeSpec::users())
            .revoke(&[1], HOLD),
    );
    let other = ScopeSpec::part("http://crl.example/1.crl");
    site.put_list(
        "delta",
        &site.list(105, 10).over(100).about(other).release(&[1]),
    );
    let mut refresher = site.start(site.files(&["base", "delta"]));
    let reports = refresher.refresh(site.now);
    assert_eq!(gap(&reports), Some(&DeltaGap::NoBase));
    assert_says(&refresher, &[(1, Revoked)]);
}

#[test]
fn dlt_07_a_delta_with_another_authority_key_identifier_is_not_laid_over_a_complete_list() {
    let site = Site::new();
    let mut base = site.list(100, 20).revoke(&[1], HOLD);
    base.authority_key_id = Some(vec![1; 20]);
    let mut delta = site.list(105, 10).over(100).release(&[1]);
    delta.authority_key_id = Some(vec![2; 20]);
    site.put_list("base", &base);
    site.put_list("delta", &delta);
    let mut refresher = site.start(site.files(&["base", "delta"]));
    let reports = refresher.refresh(site.now);
    assert_eq!(gap(&reports), Some(&DeltaGap::OtherKey));
    assert_says(&refresher, &[(1, Revoked)]);

    delta.authority_key_id = Some(vec![1; 20]);
    site.put_list("delta", &delta);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good)]);
}

#[test]
fn of_two_deltas_that_wait_for_their_base_the_newer_one_is_laid_over_it() {
    for names in [["base", "old", "new"], ["base", "new", "old"]] {
        let site = Site::new();
        site.put_list("old", &site.list(103, 10).over(100).revoke(&[2], None));
        site.put_list(
            "new",
            &site
                .list(105, 5)
                .over(100)
                .revoke(&[2], None)
                .revoke(&[3], None),
        );
        let mut refresher = site.start(site.files(&names));
        refresher.refresh(site.now.plus_seconds(30));
        site.put_list("base", &site.list(100, 20));
        refresher.refresh(site.now.plus_seconds(60));
        assert_says(&refresher, &[(2, Revoked), (3, Revoked)]);
    }
}

#[test]
fn a_delta_that_waits_for_the_next_base_is_not_forgotten_for_one_that_fits_this_base() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("next", &site.list(205, 5).over(200).revoke(&[3], None));
    site.put_list("this", &site.list(103, 20).over(100).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["base", "next", "this"]));
    refresher.refresh(site.now.plus_seconds(30));
    assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    site.put_list("base", &site.list(200, 10).revoke(&[2], None));
    refresher.refresh(site.now.plus_seconds(60));
    assert_says(&refresher, &[(2, Revoked), (3, Revoked)]);
}

#[test]
fn a_delta_from_the_future_does_not_take_over_when_its_base_is_overtaken_by_then() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, -10).over(100).revoke(&[2], HOLD));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Good)]);
    site.put_list(
        "base",
        &site.list(200, -5).until(site.now.plus_seconds(90_000)),
    );
    refresher.refresh(site.now.plus_seconds(6 * 60));
    refresher.refresh(site.now.plus_seconds(11 * 60));
    assert_says(&refresher, &[(2, Good)]);
}

#[test]
fn an_older_delta_in_the_place_of_the_one_in_use_is_refused_and_said() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    site.put_list("delta", &site.list(103, 20).over(100));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked)]);
    assert!(problem(&refresher).contains("that of a list already used"));
}

#[test]
fn what_is_known_ends_when_the_first_of_base_and_delta_does() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 10).over(100).until(soon));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    assert_eq!(end(&refresher), soon);
    assert_eq!(says(&refresher, 1), Good);
}

#[test]
fn a_delta_that_waits_is_not_carried_over_into_a_configuration_without_its_file() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(205, 5).over(200).revoke(&[2], None));
    let mut before = site.start(site.files(&["base", "delta"]));
    before.refresh(site.now);
    let mut after = site.start(site.files(&["base"]));
    after.carry_over(&before);
    site.put_list("base", &site.list(200, 10));
    after.refresh(site.now);
    assert_says(&after, &[(2, Good)]);
}

#[test]
fn a_delta_of_what_was_forgotten_stays_until_a_complete_list_comes_that_it_does_not_fit() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    site.remove("delta");
    refresher.forget_used(site.now);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Good)]);

    site.put_list("base", &site.list(102, 20).revoke(&[3], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Revoked)]);
    refresher.forget_used(site.now);
    // Older than the delta, which needs a newer one.
    site.put_list("base", &site.list(90, 60).revoke(&[1], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    assert_eq!(known_since(&refresher, 2), site.now.plus_seconds(-3600));
}

#[test]
fn a_delta_that_came_after_the_rest_was_forgotten_holds_back_older_complete_lists_again() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    refresher.forget_used(site.now);
    site.put_list("delta", &site.list(106, 5).over(100).revoke(&[2], None));
    refresher.refresh(site.now);
    site.put_list("base", &site.list(90, 60));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked)]);
}

#[test]
fn dlt_05_a_complete_list_made_a_second_before_the_delta_of_its_number_takes_over_from_it() {
    let site = Site::new();
    let soon = site.now.plus_seconds(600);
    let sources = site.files(&["base", "delta"]);
    let mut running = site.restart(sources.clone());
    site.put_list("base", &site.list(100, 60).until(soon).revoke(&[1], None));
    let delta = site.list(105, 10).over(100).until(soon);
    site.put_list("delta", &delta.revoke(&[2], None));
    running.refresh(site.now);
    let since = known_since(&running, 3);

    let a_second_before = site.now.plus_seconds(-601);
    let base = site.list(105, 10).made_at(a_second_before);
    let base = base.revoke(&[1], None).revoke(&[2], None);
    site.put_list("base", &base.clone().revoke(&[4], None));
    let taken = running.refresh(site.now);
    let vanished = in_use(&taken)[0].vanished.unwrap();
    assert_eq!((in_use(&taken).len(), vanished.count), (1, 0));
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&running, &restarted] {
        assert_says(
            refresher,
            &[(1, Revoked), (2, Revoked), (3, Good), (4, Revoked)],
        );
        assert_eq!(end(refresher), site.now.plus_seconds(86_400));
        assert_eq!(known_since(refresher, 3), since);
        assert_eq!(problems(refresher), [""; 0]);
    }

    site.put_list("delta", &site.list(106, 5).over(105).revoke(&[3], None));
    running.refresh(site.now);
    assert_says(&running, &[(2, Revoked), (3, Revoked)]);
}

#[test]
fn a_complete_list_made_before_the_delta_of_its_number_is_refused_if_it_lacks_what_that_revokes() {
    let site = Site::new();
    for number in [104, 105] {
        let mut refresher = site.start(site.files(&["base", "delta"]));
        site.put_list("base", &site.list(100, 60));
        site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
        refresher.refresh(site.now);
        site.put_list("base", &site.list(number, 11).revoke(&[1], None));
        refresher.refresh(site.now);
        assert_says(&refresher, &[(2, Revoked), (3, Good)]);
        assert_eq!(problems(&refresher).len(), usize::from(number == 105));
    }
}

#[test]
fn a_complete_list_that_waited_takes_back_nothing_of_a_delta_that_is_later() {
    let site = Site::new();
    // Files that have settled are not read again.
    let at = |minutes: i64| site.now.plus_seconds(3600 + 60 * minutes);
    let mut refresher = site.start(site.files(&["base", "delta"]));
    site.put_list("base", &site.list(100, 60));
    refresher.refresh(at(0));
    site.put_list("base", &site.list(105, 0).made_at(at(10)));
    refresher.refresh(at(0));
    let delta = site.list(105, 0).made_at(at(15)).over(100);
    site.put_list("delta", &delta.revoke(&[2], None));
    for minutes in [16, 17] {
        refresher.refresh(at(minutes));
        assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    }
    assert!(problem(&refresher).contains("that of a list already used"));
}

#[test]
fn a_delta_of_a_higher_number_takes_nothing_back_of_a_complete_list_that_was_made_after_it() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    let (hold, key_compromise) = (CrlReason::CertificateHold, CrlReason::KeyCompromise);
    site.put_list("base", &site.list(4, 60).revoke(&[1], Some(hold)));
    site.put_list("delta", &site.list(6, 50).over(4).release(&[1]));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    assert_says(&running, &[(1, Good)]);
    let base = site.list(5, 10).revoke(&[1], Some(key_compromise));
    site.put_list("base", &base);
    running.refresh(site.now);
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&running, &restarted] {
        assert_says(refresher, &[(1, Revoked), (2, Good)]);
    }
}
