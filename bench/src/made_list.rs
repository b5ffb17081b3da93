//! CRLs on the disk, each with a CA of its own, and the configuration that serves them.  To: programs that measure `serve`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ocspry_testkit::{KeyKind, now};

use crate::ca_files::CaFiles;
use crate::list::{ListSpec, Shape};
use crate::list_file::{self, Armour};

/// A list on the disk, number 1 of its CA.
pub struct MadeList {
    /// The CA.
    pub files: CaFiles,
    /// What is in it.
    pub list: ListSpec,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Entries of every list come from this seed.
const SEED: u64 = 20_260_901;
/// A list is so old when it is made: the next ones are younger, and not of the future.
const AGE: i64 = 3600;

impl MadeList {
    /// The list of the CA of this name, in a folder of `directory`.
    pub fn make(directory: &Path, name: &str, key: KeyKind, entries: u64) -> Result<MadeList> {
        let files = CaFiles::open(&directory.join(name), &format!("CA {name}"), key)?;
        let list = ListSpec::new(Shape::Random, SEED, entries, 1, now().plus_seconds(-AGE));
        let path = files.path("crl.der");
        let bytes = list_file::write(&list, &files.ca, Armour::Der, &path)?;
        Ok(MadeList {
            files,
            list,
            path,
            bytes,
        })
    }

    /// So many of them, each of a CA with a P-256 key.
    pub fn make_many(directory: &Path, count: usize, entries: u64) -> Result<Vec<MadeList>> {
        let names = (0..count).map(|index| format!("issuer-{index:03}"));
        names
            .map(|name| MadeList::make(directory, &name, KeyKind::P256, entries))
            .collect()
    }
}

/// A configuration that serves these lists on a free port, with the state and the log in `directory`; `admin` is a line for
/// `[listen]`, or nothing.
pub fn configuration<'a>(
    lists: impl IntoIterator<Item = &'a MadeList>,
    directory: &Path,
    admin: &str,
) -> String {
    let mut text = format!(
        "version = 1\nstate-dir = \"state\"\nlog-file = \"{}\"\n[listen]\nocsp = [\"127.0.0.1:0\"]\n{admin}\n",
        directory.join("serve.log").display()
    );
    for (index, made) in lists.into_iter().enumerate() {
        let path = |name: &str| made.files.path(name).display().to_string();
        text += &format!(
            "[issuer.ca-{index:03}]\ncertificate = \"{}\"\nstatus = [{{ crl = \"{}\" }}]\nresponder = {{ certificate = \"{}\", key = \"{}\" }}\n",
            path("ca.pem"),
            made.path.display(),
            path("ocsp.pem"),
            path("ocsp.key"),
        );
    }
    text
}
