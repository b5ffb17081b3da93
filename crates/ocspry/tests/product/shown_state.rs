//! What operators look for when something is not as they think: what is kept where, what was revoked or held by hand, and
//! which configuration is in use, in `/status` and on the dashboard.

use crate::admin::Watched;
use crate::site::{CONFIGURATION, NOTICE_WAIT_MAX, REVOKED, Site};
use ocspry_testkit::{CrlSpec, now, wait_until};
use serde_json::Value;

fn status(watched: &Watched) -> Value {
    serde_json::from_str(&watched.text("/status")).unwrap()
}

#[test]
fn where_state_is_kept_is_shown() {
    let site = Site::new();
    let watched = Watched::of(site.serve());
    let kept = status(&watched)["state_directory"].clone();
    let path = site.file("state").display().to_string();
    assert_eq!(kept["path"], path, "{kept}");
    assert_eq!(kept["problem"], Value::Null, "{kept}");
    assert!(watched.text("/").contains(&path));

    // One that was found in the environment, and is none.
    site.write("no-directory", "");
    let no_directory = site.file("no-directory");
    let watched = Watched::of(site.serve().env("STATE_DIRECTORY", &no_directory));
    let kept = status(&watched)["state_directory"].clone();
    assert_eq!(kept["path"], Value::Null, "{kept}");
    let problem = kept["problem"].as_str().unwrap();
    assert!(problem.contains("no-directory"), "{problem}");
    let overview = watched.text("/");
    assert!(
        overview.contains("forgotten at a restart") && overview.contains("no-directory"),
        "{overview}"
    );
}

#[test]
fn what_the_operator_revokes_by_hand_and_what_the_guard_holds_is_shown() {
    let site = Site::new();
    let sources = "status = [{ crl = \"crl.pem\" }, { overlay = \"overlay\" }]";
    let configuration = CONFIGURATION.replace("status = [{ crl = \"crl.pem\" }]", sources);
    site.write("ocspry.toml", configuration);
    site.write("overlay", "31\n32\n");
    site.write_crl(&site.first_crl().made_at(now().plus_seconds(-600)));
    let watched = Watched::of(site.ocspry().args(["serve", "-c", "ocspry.toml"]));
    let issuer = watched.issuer();
    let overlay = &issuer["sources"][1]["overlay"];
    assert_eq!(overlay["serials"], 2, "{issuer}");
    assert_eq!(overlay["all"], Value::Null, "{issuer}");
    assert_eq!(issuer["sources"][0]["overlay"], Value::Null, "{issuer}");
    assert_eq!(issuer["holds"], Value::Array(Vec::new()), "{issuer}");
    let page = watched.text("/issuer/site");
    assert!(
        page.contains("watched; <data value=\"2\">2</data> revoked"),
        "{page}"
    );
    assert!(watched.text("/").contains("an overlay among them"));

    // A newer list whose number went back.
    site.write_crl(&CrlSpec::new(5).revoke(REVOKED, None));
    wait_until("it is held", NOTICE_WAIT_MAX, || {
        watched.issuer()["holding"] == true
    });
    let holds = watched.issuer()["holds"].clone();
    assert_eq!(holds.as_array().unwrap().len(), 1, "{holds}");
    assert!(holds[0]["place"].as_str().unwrap().ends_with("crl.pem"));
    let what = holds[0]["what"].as_str().unwrap();
    assert!(what.contains("lower number"), "{what}");
    for path in ["/", "/issuer/site"] {
        let page = watched.text(path);
        assert!(
            page.contains("<code>ocspry crl accept site</code>"),
            "{page}"
        );
        assert!(page.contains(what), "{what} in {page}");
    }
    let accepted = site.ocspry().args(["crl", "accept", "site"]).run();
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let issuer = watched.issuer();
    assert_eq!(issuer["holds"], Value::Array(Vec::new()), "{issuer}");
}

#[test]
fn a_configuration_that_was_refused_is_shown_until_one_is_taken() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION);
    let watched = Watched::of(site.ocspry().args(["serve", "-c", "ocspry.toml"]));
    let result = || status(&watched)["last_reload"]["result"].clone();
    site.replace("ocspry.toml", format!("{CONFIGURATION}no-such-key = 1\n"));
    wait_until("it is refused", NOTICE_WAIT_MAX, || result() == "refused");
    let reload = status(&watched)["last_reload"].clone();
    let reason = reload["reasons"][0].as_str().unwrap().to_owned();
    assert!(reason.contains("no-such-key"), "{reload}");
    let is_taken = || {
        let page = watched.text("/metrics");
        page.contains("\nocspry_config_last_reload_successful 1\n")
    };
    assert!(!is_taken());
    let overview = watched.text("/");
    assert!(
        overview.contains("<h1 class=\"warn\">The issuer answers</h1>"),
        "{overview}"
    );
    assert!(
        overview.contains("The configuration was refused on ") && overview.contains("no-such-key"),
        "{overview}"
    );
    // It answers on all the same, and says so to load balancers.
    assert_eq!(watched.get("/readyz").status, 200);

    site.replace("ocspry.toml", CONFIGURATION);
    wait_until("one is taken", NOTICE_WAIT_MAX, || result() == "ok");
    assert!(is_taken());
    assert_eq!(
        status(&watched)["last_reload"]["reasons"],
        Value::Array(Vec::new())
    );
    let overview = watched.text("/");
    assert!(
        overview.contains("<h1 class=\"fine\">The issuer answers</h1>"),
        "{overview}"
    );
    // Among the problems it stays, with its end.
    let (_, problems) = overview.split_once("id=\"problems\"").unwrap();
    assert!(
        problems.contains("no-such-key") && !problems.contains("goes on</strong>"),
        "{problems}"
    );
}
