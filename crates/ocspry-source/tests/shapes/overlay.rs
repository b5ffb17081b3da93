//! An overlay revokes at once, whatever the rest says (docs/design.md §2).

use ocspry_core::Overlay;
use ocspry_source::{Sources, Unproven};
use ocspry_testkit::CrlSpec;
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, problem, problems, revocation};

fn with_overlay(site: &Site) -> Sources {
    let mut sources = site.files(&["ca.crl"]);
    sources.sources.push(site.overlay("overlay.txt"));
    sources
}

fn one_revoked(site: &Site) -> CrlSpec {
    site.list(1, 10).revoke(&[1], None)
}

#[test]
fn an_overlay_revokes_what_no_list_names_and_its_word_counts_for_what_one_does() {
    let site = Site::new();
    site.put_list("ca.crl", &one_revoked(&site));
    site.put("overlay.txt", "01 keyCompromise\n02 superseded\n");
    let mut refresher = site.start(with_overlay(&site));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
    assert_eq!(
        revocation(&refresher, 1).reason,
        Some(CrlReason::KeyCompromise)
    );

    site.put("overlay.txt", "03\n");
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Revoked)]);
    assert_eq!(revocation(&refresher, 1).reason, None);
}

#[test]
fn a_line_that_is_added_to_one_on_hold_revokes_for_good() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10));
    let hold = "02 certificateHold 2026-01-01T12:00:00Z\n";
    site.put("overlay.txt", hold);
    let mut refresher = site.start(with_overlay(&site));
    refresher.refresh(site.now);
    site.put("overlay.txt", format!("{hold}02 keyCompromise\n"));
    refresher.refresh(site.now);
    let reason = revocation(&refresher, 2).reason;
    assert_eq!(reason, Some(CrlReason::KeyCompromise));
}

#[test]
fn sta_11_an_overlay_that_says_all_revokes_every_certificate() {
    let site = Site::new();
    site.put_list("ca.crl", &one_revoked(&site));
    site.put("overlay.txt", "");
    let mut refresher = site.start(with_overlay(&site));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    site.put("overlay.txt", "all 20260101000000Z\n");
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (255, Revoked)]);
    assert_eq!(
        revocation(&refresher, 2).reason,
        Some(CrlReason::CaCompromise)
    );
}

#[test]
fn a_bad_overlay_changes_nothing_and_is_said() {
    let site = Site::new();
    site.put_list("ca.crl", &one_revoked(&site));
    site.put("overlay.txt", "02\n");
    let mut refresher = site.start(with_overlay(&site));
    refresher.refresh(site.now);
    for bad in ["02\nnonsense\n", "02 notAReason\n"] {
        site.put("overlay.txt", bad);
        refresher.refresh(site.now);
        assert_says(&refresher, &[(2, Revoked), (3, Good)]);
        assert!(
            problem(&refresher).contains("overlay.txt"),
            "{}",
            problem(&refresher)
        );
    }
    site.remove("overlay.txt");
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    site.put("overlay.txt", "02\n03\n");
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Revoked)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn while_an_overlay_was_never_read_nothing_is_good() {
    let site = Site::new();
    site.put_list("ca.crl", &one_revoked(&site));
    let mut refresher = site.start(with_overlay(&site));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, TryLater)]);
    assert_eq!(refresher.unproven(), Some(Unproven::OverlayMissing));
    site.put("overlay.txt", "");
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
}

#[test]
fn an_overlay_that_cannot_be_read_takes_nothing_from_the_others() {
    let site = Site::new();
    site.put_list("ca.crl", &one_revoked(&site));
    site.put("overlay.txt", "02 superseded\n");
    let mut sources = with_overlay(&site);
    sources.sources.push(site.overlay("missing.txt"));
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, TryLater)]);
    let revoked: Vec<_> = refresher.overlays().collect();
    let [(1, overlays)] = revoked.as_slice() else {
        panic!("{revoked:?}");
    };
    assert!(
        matches!(overlays.as_slice(), [Overlay::Serials(serials)] if serials.len() == 1),
        "{overlays:?}"
    );
}
