//! What is said of a serial that an overlay revokes, and perhaps a list.

use super::*;

#[test]
fn an_overlay_wins_over_a_list_and_its_delta() {
    let part = ListPart {
        base: list(&[(&[1], Revocation::Revoked(info(1, None)))]),
        delta: Some(list(&[(&[1], Revocation::Removed)])),
        this_update: None,
    };
    let overlaid = info(7, Some(CrlReason::KeyCompromise));
    let overlay = list(&[(&[1], Revocation::Revoked(overlaid))]);
    let table = of_parts(
        vec![part.clone()],
        Vec::new(),
        vec![Overlay::Serials(overlay)],
    );
    assert_eq!(table.lookup(&serial(&[1])), Lookup::Revoked(overlaid));
    assert_eq!(table.lookup(&serial(&[2])), Lookup::Absent);
    let table = of_parts(vec![part], Vec::new(), vec![Overlay::All(overlaid)]);
    assert_eq!(table.lookup(&serial(&[2])), Lookup::Revoked(overlaid));
}

#[test]
fn of_an_overlay_and_a_list_the_earlier_time_and_the_graver_reason_count_but_for_a_hold() {
    use CrlReason::{CertificateHold, KeyCompromise, Superseded};
    for (of_list, of_overlay, expected) in [
        (
            (5, None),
            (9, Some(KeyCompromise)),
            (5, Some(KeyCompromise)),
        ),
        ((9, Some(Superseded)), (5, None), (5, Some(Superseded))),
        (
            (5, Some(KeyCompromise)),
            (9, Some(Superseded)),
            (5, Some(KeyCompromise)),
        ),
        (
            (5, Some(Superseded)),
            (9, Some(KeyCompromise)),
            (5, Some(KeyCompromise)),
        ),
        (
            (5, Some(CertificateHold)),
            (9, Some(Superseded)),
            (9, Some(Superseded)),
        ),
        (
            (5, Some(CertificateHold)),
            (9, Some(CertificateHold)),
            (9, Some(CertificateHold)),
        ),
        ((9, None), (5, Some(CertificateHold)), (5, None)),
    ] {
        let info = |(seconds, reason)| info(seconds, reason);
        let part = ListPart {
            base: list(&[(&[1], Revocation::Revoked(info(of_list)))]),
            delta: None,
            this_update: None,
        };
        let serials = list(&[(&[1], Revocation::Revoked(info(of_overlay)))]);
        for overlay in [Overlay::Serials(serials), Overlay::All(info(of_overlay))] {
            let table = of_parts(vec![part.clone()], Vec::new(), vec![overlay]);
            let found = table.lookup(&serial(&[1]));
            assert_eq!(
                found,
                Lookup::Revoked(info(expected)),
                "{of_list:?} {of_overlay:?}"
            );
        }
    }
}

#[test]
fn an_overlay_does_not_hide_when_a_key_was_known_to_be_invalid() {
    let of_list = RevokedInfo {
        invalidity_date: Some(Time::from_unix(3)),
        ..info(5, Some(CrlReason::KeyCompromise))
    };
    let part = ListPart {
        base: list(&[(&[1], Revocation::Revoked(of_list))]),
        delta: None,
        this_update: None,
    };
    let all = Overlay::All(info(9, Some(CrlReason::CaCompromise)));
    let table = of_parts(vec![part], Vec::new(), vec![all]);
    let expected = RevokedInfo {
        reason: Some(CrlReason::CaCompromise),
        ..of_list
    };
    assert_eq!(table.lookup(&serial(&[1])), Lookup::Revoked(expected));
}
