//! Lists of what a CA has issued: what they may be, and what each of the others is called.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ocspry_core::OwnedCertificate;
use ocspry_source::{
    IssuedEntry, IssuedFacts, IssuedKind, IssuedLimits, IssuedStamp, Oddity, Place, SourceError,
    read_issued,
};
use ocspry_testkit::{Authority, CertificateSpec, CrlSpec, KeyKind, pem};
use tempfile::TempDir;

struct Site {
    directory: TempDir,
    ca: Authority,
}

impl Site {
    fn new() -> Site {
        Site {
            directory: TempDir::new().unwrap(),
            ca: Authority::root("Example CA", KeyKind::P256),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn read(&self, path: &Path) -> Result<(Vec<String>, IssuedFacts), SourceError> {
        self.read_within(path, &IssuedLimits::DEFAULT)
    }

    fn read_within(
        &self,
        path: &Path,
        limits: &IssuedLimits,
    ) -> Result<(Vec<String>, IssuedFacts), SourceError> {
        let mut serials = Vec::new();
        let facts = self.read_each(path, limits, |entry| {
            serials.push(entry.serial_number.to_string());
        })?;
        // A directory has no order.
        if facts.kind == IssuedKind::Certificates {
            serials.sort();
        }
        Ok((serials, facts))
    }

    fn read_each(
        &self,
        path: &Path,
        limits: &IssuedLimits,
        each: impl FnMut(IssuedEntry),
    ) -> Result<IssuedFacts, SourceError> {
        let ca = OwnedCertificate::from_der(self.ca.certificate.clone()).unwrap();
        read_issued(path, &ca, limits, each)
    }

    fn refused(&self, content: impl AsRef<[u8]>) -> String {
        let path = self.write("list", content);
        let error = self.read(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("issued list {}: ", path.display())));
        error
    }

    /// A directory with one certificate of the CA (serial 1a) in it.
    fn certificates(&self) -> PathBuf {
        let directory = self.path("newcerts");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("1A.pem"), self.certificate(0x1a)).unwrap();
        directory
    }

    fn certificate(&self, serial: u8) -> String {
        pem("CERTIFICATE", &self.ca.server("a.example", &[serial]))
    }
}

#[test]
fn a_list_of_serials_is_read_in_every_spelling_with_comments_and_blank_lines() {
    let site = Site::new();
    let text = "# issued by Example CA\n\nserial=0A1B\n0a:1c\n 0x0A1D \nff\t# with a tab before this\n-01\n\n#end\n";
    let expected = ["0a1b", "0a1c", "0a1d", "00ff", "ff"];
    for form in [
        text.to_owned(),
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        text.trim_end().to_owned(),
    ] {
        let path = site.write("serials.txt", &form);
        let (serials, facts) = site.read(&path).unwrap();
        assert_eq!(serials, expected, "{form:?}");
        assert_eq!(facts.kind, IssuedKind::Serials);
        assert_eq!((facts.issued, facts.revoked, facts.expired), (5, 0, 0));
    }
}

#[test]
fn an_index_is_known_by_its_tabs_even_with_a_hash_in_a_subject() {
    let site = Site::new();
    let path = site.write(
        "index.txt",
        "# kept by openssl ca\n\
         V\t270131120000Z\t\t0A\tunknown\t/CN=#1\n\
         R\t270131120000Z\t260101000000Z,superseded\t0B\tunknown\t/CN=b\n\
         E\t200131120000Z\t\t0C\tunknown\t/CN=c\n\
         R\t20600131120000Z\t260101000000Z\t00FF\tunknown\t/CN=d\n",
    );
    let (serials, facts) = site.read(&path).unwrap();
    assert_eq!(serials, ["0a", "0b", "0c", "00ff"]);
    assert_eq!(facts.kind, IssuedKind::Index);
    assert_eq!((facts.issued, facts.revoked, facts.expired), (4, 2, 1));
    assert!(facts.notes.found().is_empty());
}

#[test]
fn a_line_that_is_not_understood_makes_the_whole_list_unusable_and_is_named() {
    let site = Site::new();
    for (text, expected) in [
        (
            "0A\n0B\nnot hex\n0C\n",
            "line 3: \"not hex\" is not a serial number in hex",
        ),
        ("0A\n\n0B,0C\n", "line 3: \"0B,0C\" is not a serial number"),
        ("0A\nV\t270131120000Z\t\t0B\tunknown\t/CN=b\n", "line 2: "),
        (
            "V\t270131120000Z\t\t0A\tunknown\t/CN=a\n0B\n",
            "line 2: has 1 fields",
        ),
        ("0A\talice\n", "line 1: has 2 fields"),
        (
            "V\t270131120000Z\t\t0A\tunknown\t/CN=a\nV\t2701\n",
            "line 2: has 2 fields",
        ),
        ("0A\n0B\0\n", "line 2: \"0B\\x00\" is not a serial number"),
        ("{\"serials\": [10]}\n", "line 1: "),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n",
            "line 1: is the beginning of a PEM block",
        ),
    ] {
        let error = site.refused(text);
        assert!(error.contains(expected), "{text:?}: {error}");
        assert!(error.contains("nothing of the file is used"), "{error}");
    }
}

#[test]
fn a_binary_file_is_refused_in_one_short_line_that_cannot_move_a_cursor() {
    let site = Site::new();
    let junk: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for content in [
        site.ca.certificate.clone(),
        site.ca.crl(&CrlSpec::new(1)),
        junk,
    ] {
        let error = site.refused(content);
        assert!(error.contains("line 1: "), "{error}");
        let told = error.rsplit(": line").next().unwrap();
        assert!(told.len() < 400 && told.is_ascii(), "{error}");
        assert!(!error.contains(char::is_control), "{error}");
    }
}

#[test]
fn an_endless_line_is_refused_without_being_read() {
    let site = Site::new();
    let error = site.refused([&b"0A\n"[..], &vec![b'a'; 10_000_000]].concat());
    assert!(
        error.contains("line 2: is longer than 65536 octets"),
        "{error}"
    );
}

#[test]
fn an_empty_list_is_refused_since_it_would_make_every_certificate_unknown() {
    let site = Site::new();
    for content in ["", "\n", "\u{feff}", "# nothing yet\n\r\n  \n", "\t\t\n"] {
        let error = site.refused(content);
        assert!(
            error.contains("names no certificate"),
            "{content:?}: {error}"
        );
    }
    let directory = site.path("empty");
    fs::create_dir(&directory).unwrap();
    let error = site.read(&directory).unwrap_err().to_string();
    assert!(
        error.contains("holds no certificate signed by CN=Example CA"),
        "{error}"
    );
}

#[test]
fn odd_serials_are_taken_and_counted_with_their_first_line() {
    let site = Site::new();
    let long = "7f".repeat(21);
    let path = site.write("serials.txt", format!("01\n0\n-05\n-06\n{long}\n02"));
    let (serials, facts) = site.read(&path).unwrap();
    assert_eq!(serials, ["01", "00", "fb", "fa", &long, "02"]);
    let found: Vec<_> = facts
        .notes
        .found()
        .iter()
        .map(|note| (note.oddity, note.count, note.first.clone()))
        .collect();
    assert_eq!(
        found,
        [
            (Oddity::ZeroSerial, 1, Place::Line(2)),
            (Oddity::NegativeSerial, 2, Place::Line(3)),
            (Oddity::LongSerial, 1, Place::Line(5)),
            (Oddity::NoLastNewline, 1, Place::Line(6)),
        ]
    );
    assert_eq!(
        facts.notes.to_string(),
        "1 serial numbers of zero (first: line 2), 2 negative serial numbers (first: line 3), \
         1 serial numbers of more than 20 octets (first: line 5), 1 last lines without an end (first: line 6)"
    );
}

#[test]
fn a_pipe_a_device_and_nothing_at_all_are_refused_without_waiting() {
    let site = Site::new();
    let pipe = site.path("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    for (path, expected) in [
        (pipe.as_path(), "is a pipe, not a file"),
        (Path::new("/dev/zero"), "is a device or socket, not a file"),
        (
            &site.path("nothing"),
            "cannot be read: No such file or directory",
        ),
    ] {
        for error in [
            site.read(path).unwrap_err(),
            IssuedStamp::of(path).unwrap_err(),
        ] {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn a_file_without_permission_is_an_error_and_not_an_empty_list() {
    let site = Site::new();
    let path = site.write("serials.txt", "0A\n");
    let directory = site.certificates();
    fs::write(directory.join("1B.pem"), site.certificate(0x1b)).unwrap();
    for (unreadable, read) in [(path.clone(), path), (directory.join("1B.pem"), directory)] {
        fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o000)).unwrap();
        // Root may read everything.
        if File::open(&unreadable).is_err() {
            let error = site.read(&read).unwrap_err().to_string();
            let expected = format!(
                "issued list {}: cannot be read: Permission denied",
                unreadable.display()
            );
            assert!(error.contains(&expected), "{error}");
        }
    }
}

#[test]
fn a_file_larger_than_the_limit_is_not_read() {
    let site = Site::new();
    let limits = IssuedLimits {
        bytes_max: 6,
        ..IssuedLimits::DEFAULT
    };
    let path = site.write("serials.txt", "01\n02\n");
    assert_eq!(site.read_within(&path, &limits).unwrap().0, ["01", "02"]);
    site.write("serials.txt", "01\n02\n\n");
    let error = site.read_within(&path, &limits).unwrap_err().to_string();
    assert!(
        error.contains("has 7 octets, more than the limit of 6"),
        "{error}"
    );
}

#[test]
fn a_file_replaced_by_rename_while_it_is_read_is_the_old_one_whole_and_its_stamp_tells() {
    let site = Site::new();
    let path = site.write("serials.txt", "01\n02\n");
    let mut serials = Vec::new();
    let facts = site
        .read_each(&path, &IssuedLimits::DEFAULT, |entry| {
            if serials.is_empty() {
                fs::rename(site.write("new", "03\n"), &path).unwrap();
            }
            serials.push(entry.serial_number.to_string());
        })
        .unwrap();
    assert_eq!(serials, ["01", "02"]);
    assert_ne!(IssuedStamp::of(&path).unwrap(), facts.stamp);
}

#[test]
fn a_file_written_into_while_it_is_read_is_refused() {
    let site = Site::new();
    let long: String = (0..50_000)
        .map(|serial| format!("{serial:08x}\n"))
        .collect();
    type Change = fn(&mut File);
    let changes: [(&str, Change); 3] = [
        ("emptied", |file| file.set_len(0).unwrap()),
        ("appended to", |file| file.write_all(b"ff\n").unwrap()),
        ("rewritten", |file| {
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
                .unwrap();
        }),
    ];
    for (what, change) in changes {
        let path = site.write("serials.txt", &long);
        let mut is_first = true;
        let read = site.read_each(&path, &IssuedLimits::DEFAULT, |_| {
            if is_first {
                change(&mut OpenOptions::new().append(true).open(&path).unwrap());
            }
            is_first = false;
        });
        let error = read.expect_err(what).to_string();
        assert!(
            error.contains("was changed while it was read"),
            "{what}: {error}"
        );
    }
}

#[test]
fn the_time_of_writing_is_that_of_the_file_and_a_later_one_set_by_hand_does_not_count() {
    let site = Site::new();
    let path = site.write("serials.txt", "01\n");
    let now = ocspry_testkit::now();
    for (offset, is_counted) in [(-86_400, true), (86_400, false)] {
        let time = now.plus_seconds(offset);
        let seconds = u64::try_from(time.unix_seconds()).unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
        let written = site.read(&path).unwrap().1.written;
        assert_eq!(written == time, is_counted, "{written}");
        assert!(written.seconds_since(now) < 60, "{written}");
    }
}

#[test]
fn the_digest_of_a_file_is_its_sha_256() {
    let site = Site::new();
    let content = "0A\n".repeat(70_000);
    let (_, facts) = site.read(&site.write("serials.txt", &content)).unwrap();
    assert_eq!(
        facts.digest,
        ocspry_core::crypto::sha256(content.as_bytes())
    );
    assert_eq!(facts.issued, 70_000);
}

#[test]
fn a_directory_gives_the_certificates_of_this_ca_in_pem_or_der_whatever_they_are_called() {
    let site = Site::new();
    let directory = site.certificates();
    let der = site.ca.server("b.example", &[0x1b]);
    let not_after = ocspry_wire::x509::Certificate::from_der(&der)
        .unwrap()
        .not_after;
    fs::write(directory.join("b.cer"), &der).unwrap();
    let two = format!(
        "Certificate:\n    Data: ...\n{}{}",
        site.certificate(0x1c),
        site.certificate(0x1d)
    );
    fs::write(directory.join("two"), two.replace('\n', "\r\n")).unwrap();
    fs::write(site.path("elsewhere.pem"), site.certificate(0x1e)).unwrap();
    symlink(site.path("elsewhere.pem"), directory.join("link")).unwrap();
    fs::write(directory.join("ca.pem"), site.ca.certificate_pem()).unwrap();

    let (serials, facts) = site.read(&directory).unwrap();
    assert_eq!(serials, ["01", "1a", "1b", "1c", "1d", "1e"]);
    assert_eq!(facts.kind, IssuedKind::Certificates);
    assert_eq!((facts.issued, facts.revoked, facts.expired), (6, 0, 0));
    assert!(facts.notes.found().is_empty(), "{}", facts.notes);
    site.read_each(&directory, &IssuedLimits::DEFAULT, |entry| {
        if entry.serial_number.content() == [0x1b] {
            assert_eq!(entry.not_after, Some(not_after));
        }
        assert_eq!(entry.revoked, None);
    })
    .unwrap();
}

#[test]
fn what_is_no_certificate_of_this_ca_is_passed_over_and_counted_by_its_reason() {
    let site = Site::new();
    let directory = site.certificates();
    let put = |name: &str, content: &[u8]| fs::write(directory.join(name), content).unwrap();
    let other = Authority::root("Other CA", KeyKind::P256);
    let twin = Authority::root("Example CA", KeyKind::P384);
    let same_kind_of_key = Authority::root("Example CA", KeyKind::P256);
    let good = site.certificate(0x2a);
    put(".1B.pem.swp", good.as_bytes());
    put("readme.txt", b"hello\n");
    put("empty", b"");
    put("ca.crl", &site.ca.crl(&CrlSpec::new(1)));
    put(
        "other.pem",
        pem("CERTIFICATE", &other.server("a", &[1])).as_bytes(),
    );
    put("forged.der", &same_kind_of_key.server("a", &[2]));
    put("half.pem", &good.as_bytes()[..good.len() / 2]);
    put("half.der", &site.ca.server("a", &[3])[..200]);
    put(
        "good-and-half.pem",
        &[site.certificate(0x1b).as_bytes(), &good.as_bytes()[..99]].concat(),
    );
    put("large", &vec![b'\n'; 16 * 1024 * 1024 + 1]);
    put("twin.der", &twin.server("a", &[4]));
    fs::create_dir(directory.join("old")).unwrap();
    fs::write(directory.join("old/1C.pem"), site.certificate(0x1c)).unwrap();
    symlink("nowhere", directory.join("dangling.pem")).unwrap();

    let (serials, facts) = site.read(&directory).unwrap();
    assert_eq!(serials, ["1a", "1b"]);
    for (oddity, count) in [
        (Oddity::HiddenFile, 1),
        (Oddity::NoCertificate, 3),
        (Oddity::OtherIssuer, 1),
        (Oddity::DamagedCertificate, 3),
        (Oddity::LargeFile, 1),
        (Oddity::NotAFile, 1),
        (Oddity::VanishedFile, 1),
    ] {
        assert_eq!(facts.notes.count(oddity), count, "{}", facts.notes);
    }
    let not_signed = [Oddity::BadSignature, Oddity::UnsupportedSignature];
    assert_eq!(
        not_signed
            .map(|oddity| facts.notes.count(oddity))
            .iter()
            .sum::<u64>(),
        2
    );
    assert!(
        facts.notes.to_string().contains("(first: \".1B.pem.swp\")"),
        "{}",
        facts.notes
    );
}

#[test]
fn a_directory_of_another_ca_is_refused_and_says_what_is_in_it() {
    let site = Site::new();
    let directory = site.path("newcerts");
    fs::create_dir(&directory).unwrap();
    let other = Authority::root("Other CA", KeyKind::P256);
    fs::write(
        directory.join("1.pem"),
        pem("CERTIFICATE", &other.server("a", &[1])),
    )
    .unwrap();
    let error = site.read(&directory).unwrap_err().to_string();
    assert!(
        error.contains("(1 certificates of other CAs passed over (first: \"1.pem\"))"),
        "{error}"
    );
}

#[test]
fn precertificates_count_as_issued() {
    // RFC 6962 §3.1: the poison extension, critical, value NULL.
    let poison = "300f060a2b06010401d679020403 0101ff 0402 0500".replace(' ', "");
    let mut poison: Vec<u8> = (0..poison.len() / 2)
        .map(|at| u8::from_str_radix(&poison[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    poison[1] = u8::try_from(poison.len() - 2).unwrap();
    let site = Site::new();
    let directory = site.certificates();
    let spec = CertificateSpec {
        serial: Some(vec![0x1b]),
        more_extensions: vec![poison],
        ..CertificateSpec::server("a.example")
    };
    let precertificate = site
        .ca
        .issue_with_key(&spec, KeyKind::P256)
        .certificate_pem();
    fs::write(directory.join("pre.pem"), precertificate).unwrap();
    assert_eq!(site.read(&directory).unwrap().0, ["1a", "1b"]);
}

#[test]
fn every_kind_of_ca_key_is_understood_in_a_directory() {
    for kind in KeyKind::ALL {
        let site = Site {
            ca: Authority::root("Example CA", kind),
            ..Site::new()
        };
        assert_eq!(site.read(&site.certificates()).unwrap().0, ["1a"]);
    }
}

#[test]
fn a_directory_with_more_files_than_are_looked_at_is_refused() {
    let site = Site::new();
    let directory = site.certificates();
    let limits = IssuedLimits {
        files_max: 2,
        ..IssuedLimits::DEFAULT
    };
    fs::write(directory.join("1B.pem"), site.certificate(0x1b)).unwrap();
    assert_eq!(site.read_within(&directory, &limits).unwrap().1.issued, 2);
    fs::write(directory.join(".hidden"), "").unwrap();
    let error = site
        .read_within(&directory, &limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 2 files"), "{error}");
}

#[test]
fn the_stamp_of_a_directory_changes_with_every_file_in_it_and_with_nothing_else() {
    let site = Site::new();
    let directory = site.certificates();
    fs::write(directory.join("1B.pem"), site.certificate(0x1b)).unwrap();
    let read = site.read(&directory).unwrap().1.stamp;
    let stamp = || IssuedStamp::of(&directory).unwrap();
    assert_eq!(stamp(), read, "reading and looking see the same");
    fs::write(directory.join(".hidden"), "x").unwrap();
    fs::create_dir(directory.join("sub")).unwrap();
    assert_eq!(stamp(), read, "what is passed over does not count");

    let changes: [(&str, &dyn Fn()); 4] = [
        ("added", &|| {
            fs::write(directory.join("1C.pem"), site.certificate(0x1c)).unwrap()
        }),
        ("written to", &|| {
            let mut file = OpenOptions::new()
                .append(true)
                .open(directory.join("1C.pem"))
                .unwrap();
            file.write_all(b"\n").unwrap();
        }),
        ("renamed", &|| {
            fs::rename(directory.join("1C.pem"), directory.join("1D.pem")).unwrap()
        }),
        ("removed", &|| {
            fs::remove_file(directory.join("1B.pem")).unwrap()
        }),
    ];
    let mut seen = vec![read];
    for (what, change) in changes {
        change();
        let now = stamp();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    }
}

#[test]
fn a_directory_is_as_new_as_its_newest_certificate_of_this_ca() {
    let site = Site::new();
    let directory = site.certificates();
    let other = Authority::root("Other CA", KeyKind::P256);
    fs::write(directory.join("1B.pem"), site.certificate(0x1b)).unwrap();
    fs::write(
        directory.join("other.pem"),
        pem("CERTIFICATE", &other.server("a", &[1])),
    )
    .unwrap();
    for (name, seconds) in [
        ("1A.pem", 1_700_000_000),
        ("1B.pem", 1_700_000_600),
        ("other.pem", 1_700_001_200),
    ] {
        let file = OpenOptions::new()
            .append(true)
            .open(directory.join(name))
            .unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }
    let facts = site.read(&directory).unwrap().1;
    assert_eq!(facts.written.unix_seconds(), 1_700_000_600);
}

#[test]
fn a_list_changed_just_now_is_not_settled() {
    let site = Site::new();
    let now = ocspry_testkit::now();
    for path in [site.write("serials.txt", "01\n"), site.certificates()] {
        let stamp = IssuedStamp::of(&path).unwrap();
        assert!(!stamp.is_settled(now.plus_seconds(-1)), "{stamp:?}");
        assert!(stamp.is_settled(now.plus_seconds(3600)), "{stamp:?}");
    }
}
