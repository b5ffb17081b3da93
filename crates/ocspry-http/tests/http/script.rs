//! Runs the conversations in `tests/scripts/*.http`: what is sent, octet by octet, and what must come back.
//!
//! ```text
//! --- HTP-06 a title                     a new connection; the test is htp_06_a_title, in the list below
//! send GET {path} HTTP/1.0\r\n\r\n       octets, with \r \n \t \xHH and the names below
//! send-slowly 7 …                        the same, in pieces of 7 octets, each read before the next is sent
//! half-close                             nothing more will be sent
//! expect 200                             the next response; `expect-head 200` after HEAD
//! header cache-control == no-store       also: contains TEXT, absent
//! headers date content-type              these and no others, in any order
//! body good                              good, revoked, malformed, unauthorized, empty, or text in quotes
//! closed                                 the server closes, and sends nothing more
//! ```
//! Names: `{der}` `{length}` the request for the good certificate; `{path}` `{escaped}` it in a GET path; `{revoked-path}`; `{nonce-path}`; `{chunked}` it
//! in chunks of 25 octets; `{doubled-path}` a path with `//`, `+` and `=`, and that one spelt `{lower}`, `{every-octet}`, `{unpadded}`, `{url-safe}`,
//! `{collapsed-path}` and `{spaced}`; `{etag}` of the last response that had one; `{last-modified}`; `{a*300}` 300 times `a`.

use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_core::SigningSpeed;
use ocspry_testkit::{HttpClient, HttpResponse, Reply, base64_path, percent_encoded};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One test for each conversation, named like its title.
macro_rules! conversations {
    ($($title:ident),* $(,)?) => {
        $(
            #[test]
            fn $title() {
                run(stringify!($title));
            }
        )*

        #[test]
        fn every_conversation_that_is_written_is_had() {
            let mut had = vec![$(stringify!($title)),*];
            had.sort_unstable();
            let mut written: Vec<String> = scripts()
                .iter()
                .flat_map(|(_, text)| text.lines())
                .filter_map(|line| line.strip_prefix("--- "))
                .map(test_name)
                .collect();
            written.sort_unstable();
            assert_eq!(written, had);
        }
    };
}

conversations![
    cac_01_cac_02_cac_05_cac_09_cac_10_an_answer_without_nonce_may_be_kept,
    cac_10_by_post_too,
    cac_06_if_none_match_304_without_body_connection_in_step,
    cac_07_conditions_that_do_not_match_get_everything,
    cac_07_the_tag_of_one_certificate_s_answer_does_not_match_another_s,
    cac_07_a_post_is_answered_whole_whatever_the_client_holds,
    cac_08_nothing_else_changes_the_answer,
    headers_of_the_request_do_not_come_back,
    cac_06_if_modified_since_with_our_last_modified_304_without_body_connection_in_step,
    htp_01_cac_02_an_answer_has_these_headers_and_no_others,
    htp_01_cac_11_an_answer_with_a_nonce_and_an_error_have_these_headers_and_no_others,
    htp_04_cac_11_what_is_not_ocsp_has_these_headers_and_no_others,
    get_01_percent_encoded_base64_behind_the_last_slash,
    get_03_get_04_lower_case_and_needless_escapes,
    get_06_get_07_a_double_slash_inside_the_base64_is_kept_and_one_that_was_collapsed_is_malformed,
    get_08_get_13_without_padding_and_in_the_alphabet_for_urls,
    get_14_a_plus_that_was_turned_into_a_space_is_no_request,
    get_02_get_14_nothing_escaped_on_any_path,
    get_05_a_double_slash_in_front,
    get_09_err_04_garbage_that_begins_like_a_request_is_malformed_in_http_200,
    get_09_a_sequence_that_is_no_ocsprequest_is_malformed,
    get_10_a_bare_url_gets_a_line_that_helps_never_a_redirect,
    get_12_far_more_than_255_octets,
    get_15_a_query_does_not_change_the_answer,
    non_10_a_nonce_over_get_is_echoed_and_such_an_answer_is_never_kept,
    htp_15_absolute_form_get,
    htp_18_a_path_that_is_too_long_for_any_request,
    health_bare,
    htp_01_post,
    htp_02_the_content_type_does_not_matter,
    htp_03_head_the_headers_of_get_no_body_connection_in_step,
    htp_04_other_methods_are_named_as_not_allowed,
    htp_04_a_body_behind_a_method_that_takes_none_is_not_taken_for_a_request,
    htp_05_http_1_0_post_no_chunking_then_close,
    htp_05_http_1_0_with_keep_alive,
    htp_06_http_1_0_get_without_host,
    rfc_9112_section_3_2_http_1_1_without_host_and_with_two,
    htp_08_pipelined_requests_are_answered_in_order,
    htp_08_an_answer_does_not_wait_for_a_request_that_is_only_half_there,
    htp_08_old_clients_send_crlf_behind_a_body,
    htp_09_connection_close_with_requests_behind_it,
    htp_09_connection_close_and_a_pipelined_request_that_must_not_be_answered,
    htp_10_a_chunked_body,
    htp_10_a_chunked_body_over_the_cap,
    htp_10_broken_chunks,
    htp_11_expect_100_continue,
    htp_11_expect_100_continue_in_front_of_too_much_gets_the_final_status_at_once,
    htp_12_everything_in_small_pieces,
    htp_09_a_client_that_says_it_is_done_before_it_reads,
    htp_15_absolute_form_post,
    htp_16_a_body_at_the_cap_is_read_one_over_it_is_refused_at_once,
    htp_16_the_refusal_can_be_read_although_the_body_keeps_coming,
    htp_17_a_lying_content_length,
    htp_17_a_content_length_that_is_no_number,
    htp_18_headers_without_end,
    htp_18_too_many_headers,
    htp_20_no_http_at_all,
    htp_20_htp_23_http_2_is_not_spoken,
    htp_20_broken_request_lines,
    htp_21_two_different_content_lengths,
    htp_21_two_content_lengths_that_agree,
    htp_21_two_content_lengths_in_one_line,
    htp_21_content_length_and_transfer_encoding_are_refused_and_what_stands_behind_them_is_not_answered,
    htp_21_transfer_encoding_and_content_length_are_refused_too_however_they_are_spelt_and_however_slowly_they_come,
    htp_21_a_get_that_says_twice_how_long_it_is,
    htp_21_what_came_before_such_a_request_is_answered,
    htp_08_htp_10_requests_of_every_framing_share_a_connection,
    htp_21_transfer_encoding_that_does_not_end_in_chunked_or_in_http_1_0,
    htp_21_transfer_encoding_in_http_1_0,
    err_01_err_04_an_empty_body,
];

/// `htp_06_a_title` for `HTP-06 a title`.
fn test_name(title: &str) -> String {
    let words = title.split(|character: char| !character.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("_")
}

fn scripts() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// Has the conversation of this name, while another client's connection is open; and sees that it still works afterwards.
fn run(name: &str) {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 1);
    let mut bystander = fixture.connect();
    assert_eq!(bystander.get("/healthz").unwrap().status, 200);

    let mut conversation: Option<Conversation<'_>> = None;
    for (file, text) in scripts() {
        let mut is_ours = false;
        for (index, line) in text.lines().enumerate() {
            let place = format!("{}:{}: {line}", file.display(), index + 1);
            if let Some(title) = line.strip_prefix("--- ") {
                is_ours = test_name(title) == name;
                if is_ours {
                    conversation = Some(Conversation::begin(&fixture));
                }
            } else if is_ours && !line.is_empty() && !line.starts_with('#') {
                let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
                conversation.as_mut().unwrap().step(verb, rest, &place);
            }
        }
    }
    assert!(conversation.is_some(), "no conversation {name}");

    let answer = bystander.post(&fixture.request(REVOKED, &[])).unwrap();
    assert!(matches!(
        Reply::check(&answer.body, &fixture.authority)
            .single()
            .status,
        CertStatus::Revoked(_)
    ));
    assert_eq!(fixture.server.counts().panics_total, 0);
}

struct Conversation<'a> {
    fixture: &'a Fixture,
    client: HttpClient,
    /// Another connection to the same worker.
    pacemaker: HttpClient,
    last: Option<HttpResponse>,
    etag: String,
    last_modified: String,
}

impl Conversation<'_> {
    fn begin(fixture: &Fixture) -> Conversation<'_> {
        Conversation {
            fixture,
            client: fixture.connect(),
            pacemaker: fixture.connect(),
            last: None,
            etag: String::new(),
            last_modified: String::new(),
        }
    }

    fn step(&mut self, verb: &str, rest: &str, place: &str) {
        match verb {
            // A server that refuses early may close while we still send.
            "send" => drop(self.client.send(&self.octets(rest, place))),
            "send-slowly" => {
                let (piece, rest) = rest.split_once(' ').unwrap();
                for piece in self.octets(rest, place).chunks(piece.parse().unwrap()) {
                    drop(self.client.send(piece));
                    // The worker there is has read the piece before it answers this.
                    assert_eq!(self.pacemaker.get("/healthz").unwrap().status, 200);
                }
            }
            "half-close" => self.client.finish_sending().unwrap(),
            "expect" => self.expect(rest, true, place),
            "expect-head" => self.expect(rest, false, place),
            "header" => self.header(rest, place),
            "headers" => {
                let response = self.last.as_ref().unwrap();
                let mut seen: Vec<&str> = response
                    .headers
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect();
                seen.sort_unstable();
                let mut expected: Vec<&str> = rest.split(' ').collect();
                expected.sort_unstable();
                assert_eq!(seen, expected, "{place}: {response:?}");
            }
            "body" => self.body(rest, place),
            "closed" => assert!(
                // A reset is an end; that nothing comes for a long while is none.
                self.client.is_closed().unwrap_or_else(|error| {
                    !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
                }),
                "{place}: still open, or more to read"
            ),
            _ => panic!("{place}: no such verb"),
        }
    }

    fn expect(&mut self, status: &str, has_body: bool, place: &str) {
        let response = self
            .client
            .receive(has_body)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(response.status.to_string(), status, "{place}: {response:?}");
        if let Some(etag) = response.header("etag") {
            self.etag = etag.to_owned();
        }
        if let Some(last_modified) = response.header("last-modified") {
            self.last_modified = last_modified.to_owned();
        }
        self.last = Some(response);
    }

    fn header(&self, rest: &str, place: &str) {
        let response = self.last.as_ref().unwrap();
        let mut words = rest.splitn(3, ' ');
        let name = words.next().unwrap();
        let value = response.header(name);
        match (words.next(), words.next()) {
            (Some("absent"), None) => assert_eq!(value, None, "{place}"),
            (Some("=="), Some(expected)) => {
                let expected = String::from_utf8(self.octets(expected, place)).unwrap();
                assert_eq!(value, Some(expected.as_str()), "{place}: {response:?}");
            }
            (Some("contains"), Some(part)) => assert!(
                value.is_some_and(|value| value.contains(part)),
                "{place}: {value:?}"
            ),
            _ => panic!("{place}: no such test"),
        }
    }

    fn body(&self, expected: &str, place: &str) {
        let body = &self.last.as_ref().unwrap().body;
        if expected == "empty" {
            assert!(body.is_empty(), "{place}: {body:?}");
        } else if let Some(text) = expected
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            assert!(
                String::from_utf8_lossy(body).contains(text),
                "{place}: {}",
                String::from_utf8_lossy(body)
            );
        } else {
            let seen = match Reply::check(body, &self.fixture.authority) {
                Reply::Error(ErrorStatus::MalformedRequest) => "malformed",
                Reply::Error(ErrorStatus::Unauthorized) => "unauthorized",
                Reply::Error(other) => panic!("{place}: {other:?}"),
                signed => match signed.single().status {
                    CertStatus::Good => "good",
                    CertStatus::Revoked(_) => "revoked",
                    CertStatus::Unknown => "unknown",
                },
            };
            assert_eq!(seen, expected, "{place}");
        }
    }

    /// A GET path, nothing escaped, with `//`, `+` and `=` in its base64; for a certificate that is on no list.
    fn doubled(&self) -> String {
        (0..=u16::MAX)
            .map(|number| {
                let serial = [&[0x7f, 0xff, 0xff][..], &number.to_be_bytes(), &[0xfb]].concat();
                base64_path(&self.fixture.request(&serial, &[]))
            })
            .find(|path| path[1..].contains("//") && path.contains('+') && path.ends_with('='))
            .expect("one of 65,536")
    }

    fn octets(&self, text: &str, place: &str) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&octet, after)) = rest.split_first() {
            rest = after;
            match octet {
                b'\\' => match after {
                    [b'r', after @ ..] => (octets.push(b'\r'), rest = after).1,
                    [b'n', after @ ..] => (octets.push(b'\n'), rest = after).1,
                    [b't', after @ ..] => (octets.push(b'\t'), rest = after).1,
                    [b'x', high, low, after @ ..] => {
                        let digits = [*high, *low];
                        octets.push(
                            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(),
                        );
                        rest = after;
                    }
                    _ => panic!("{place}: no such escape"),
                },
                b'{' => {
                    let end = after.iter().position(|&octet| octet == b'}').unwrap();
                    octets.extend(self.named(std::str::from_utf8(&after[..end]).unwrap(), place));
                    rest = &after[end + 1..];
                }
                _ => octets.push(octet),
            }
        }
        octets
    }

    fn named(&self, name: &str, place: &str) -> Vec<u8> {
        let good = || self.fixture.request(GOOD, &[]);
        match name {
            "der" => good(),
            "length" => good().len().to_string().into_bytes(),
            "path" => base64_path(&good()).into_bytes(),
            "base64" => base64_path(&good()).as_bytes()[1..].to_vec(),
            "escaped" => percent_encoded(&base64_path(&good())).into_bytes(),
            "lower" => percent_encoded(&self.doubled())
                .replace("%2B", "%2b")
                .replace("%2F", "%2f")
                .replace("%3D", "%3d")
                .into_bytes(),
            "every-octet" => self.doubled()[1..]
                .bytes()
                .fold("/".to_owned(), |path, octet| format!("{path}%{octet:02x}"))
                .into_bytes(),
            "doubled-path" => self.doubled().into_bytes(),
            "collapsed-path" => self.doubled().replace("//", "/").into_bytes(),
            "unpadded" => self.doubled().trim_end_matches('=').as_bytes().to_vec(),
            "url-safe" => format!(
                "/{}",
                self.doubled()[1..].replace('+', "-").replace('/', "_")
            )
            .into_bytes(),
            "spaced" => self.doubled().replace('+', "%20").into_bytes(),
            "revoked-path" => base64_path(&self.fixture.request(REVOKED, &[])).into_bytes(),
            "nonce-path" => base64_path(&self.fixture.request(GOOD, &[7; 16])).into_bytes(),
            "chunked" => {
                let mut octets = Vec::new();
                for chunk in good().chunks(25) {
                    octets.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    octets.extend(chunk);
                    octets.extend(b"\r\n");
                }
                octets.extend(b"0\r\n\r\n");
                octets
            }
            "etag" => self.etag.clone().into_bytes(),
            "last-modified" => self.last_modified.clone().into_bytes(),
            _ => match name.split_once('*') {
                Some((text, count)) => self.octets(text, place).repeat(count.parse().unwrap()),
                None => panic!("{place}: no such name"),
            },
        }
    }
}
