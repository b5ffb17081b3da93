//! Which paths are endpoints of one issuer.  From: the configuration, and the path of each request.  To:
//! `core::endpoint`, which knows the names.
//!
//! Below a base path stands a name: `/ocsp/root`, `/ocsp/root/`, and by GET `/ocsp/root/MFEw…`.  The base path alone and
//! every other path are for all issuers.

use ocspry_core::Endpoint;

/// The base paths, each with a slash at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPaths {
    bases: Vec<Box<[u8]>>,
}

impl EndpointPaths {
    /// The base path that is there unless told otherwise.
    pub const DEFAULT: &'static str = "/ocsp/";

    /// These; a slash that is missing at either end is added.
    pub fn new<'a>(bases: impl IntoIterator<Item = &'a str>) -> EndpointPaths {
        let base = |base: &str| match base.trim_matches('/') {
            "" => b"/"[..].into(),
            inner => format!("/{inner}/").into_bytes().into_boxed_slice(),
        };
        EndpointPaths {
            bases: bases.into_iter().map(base).collect(),
        }
    }

    /// The path of an issuer's own endpoint, the first where there are several; `/`, where none has one.
    pub(crate) fn path_of(&self, name: &str) -> String {
        let base = self.bases.first().map(|base| String::from_utf8_lossy(base));
        base.map_or_else(|| "/".to_owned(), |base| format!("{base}{name}/"))
    }

    /// Whom `path` names; of a GET, the part in front of the request.  Percent-encoding is decoded already.
    pub(crate) fn endpoint<'a>(&self, path: &'a [u8]) -> Endpoint<'a> {
        let behind = |base| path.strip_prefix(base);
        let Some(name) = self.bases.iter().map(AsRef::as_ref).find_map(behind) else {
            return Endpoint::All;
        };
        match trim_slashes(name) {
            [] => Endpoint::All,
            name => Endpoint::Named(name),
        }
    }
}

fn trim_slashes(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_below_a_base_path_with_or_without_slashes_around_it() {
        let paths = EndpointPaths::new(["/ocsp/", "django_ca/ocsp"]);
        for (path, endpoint) in [
            ("/ocsp/root", Endpoint::Named(b"root")),
            ("/ocsp/root/", Endpoint::Named(b"root")),
            ("/ocsp//root//", Endpoint::Named(b"root")),
            ("/django_ca/ocsp/root/", Endpoint::Named(b"root")),
            ("/ocsp/34:D6", Endpoint::Named(b"34:D6")),
            // Not a path of two names: nobody is called so.
            ("/ocsp/root/other", Endpoint::Named(b"root/other")),
            ("/ocsp/", Endpoint::All),
            ("/ocsp", Endpoint::All),
            ("/ocsp//", Endpoint::All),
            ("/", Endpoint::All),
            ("", Endpoint::All),
            ("/ocspry/root", Endpoint::All),
            ("/other/ocsp/root/", Endpoint::All),
        ] {
            assert_eq!(paths.endpoint(path.as_bytes()), endpoint, "{path}");
        }
        let none = EndpointPaths::new([]);
        assert_eq!(none.endpoint(b"/ocsp/root"), Endpoint::All);
        let whole = EndpointPaths::new(["/"]);
        assert_eq!(whole.endpoint(b"/root"), Endpoint::Named(b"root"));
    }
}
