//! The file and the environment, one over the other: each variable `OCSPRY__TABLE__KEY` takes the place of a key of the file.
//!
//! From: the text of the file, and variables.  To: `raw`, every value with its place.  Both are one document before anything is
//! judged, so that a value from the environment is checked, and complained about, as one from the file.  Flags come over it in
//! `flags`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::Environment;
use super::diagnostics::{ConfigText, Place, Problem, VariablePlace};
use super::error::{ConfigError, closest};
use super::keys::{KEYS, VARIABLES};
use super::raw::{self, RawConfig};

/// What the file and the environment say together; `given` are issuers that stand in no file, in their order.
///
/// # Errors
/// The first thing that is wrong in the file (TOML's syntax, another version, an unknown key, a value of another type), or every
/// variable that says no key.
pub(super) fn read(
    text: &ConfigText,
    environment: &Environment,
    given: &[String],
) -> Result<RawConfig, Vec<Problem>> {
    let explain = |error: toml::de::Error, text| vec![raw::explain(&error, text)];
    let parsed = DeTable::parse(text.file());
    let mut document = parsed.map_err(|error| explain(error, text.file()))?;
    refuse_other_version(document.get_ref())?;
    for (position, name) in given.iter().enumerate() {
        let issuers = table_in(document.get_mut(), "issuer", &Place::default());
        if let Some(issuers) = issuers {
            // The empty place at `position` keeps the order of the flags where issuers are sorted by place.
            let name = Spanned::new(position..position, Cow::Borrowed(name.as_str()));
            issuers.insert(name, empty_table(&Place::default()));
        }
    }
    lay_over(document.get_mut(), text, environment)?;
    refuse_other_version(document.get_ref())?;
    let read = RawConfig::deserialize(Deserializer::from(document));
    read.map_err(|error| explain(error, text.whole()))
}

/// Another version has other keys: it is named before they are.
fn refuse_other_version(document: &DeTable<'_>) -> Result<(), Vec<Problem>> {
    let Some(version) = document.get("version") else {
        return Ok(());
    };
    let Some(number) = version.get_ref().as_integer() else {
        return Ok(());
    };
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(raw::VERSION) | Err(_) => Ok(()),
        Ok(found) => {
            let error = ConfigError::Version { found };
            Err(vec![Problem::at(version.span(), error)])
        }
    }
}

/// Puts each variable where its key is.
fn lay_over<'a>(
    document: &mut DeTable<'a>,
    text: &'a ConfigText,
    environment: &Environment,
) -> Result<(), Vec<Problem>> {
    let mut problems: Vec<Problem> = environment
        .not_utf8
        .iter()
        .map(|name| Problem::anywhere(ConfigError::VariableNotUtf8 { name: name.clone() }))
        .collect();
    if text.variables().is_empty() && problems.is_empty() {
        return Ok(());
    }
    let names = variable_names(document);
    for VariablePlace { name, value } in text.variables() {
        let text = text.whole();
        match target(&text[name.clone()], &names) {
            Ok(path) => {
                let value = value_of(&text[value.clone()], value.start);
                insert(document, path, name, value);
            }
            Err(error) => problems.push(Problem::at(name.clone(), error)),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// The key that a variable says, as the names of its tables and its own.
type KeyPath = Vec<String>;

/// Every variable that there can be, with the keys that it says: more than one, where issuers are spelt alike.
fn variable_names(document: &DeTable<'_>) -> BTreeMap<String, Vec<KeyPath>> {
    let issuers = document
        .get("issuer")
        .and_then(|issuers| issuers.get_ref().as_table());
    let issuers: Vec<&str> = issuers
        .into_iter()
        .flat_map(|table| table.keys())
        .map(|name| name.get_ref().as_ref())
        .collect();
    let mut names: BTreeMap<String, Vec<KeyPath>> = BTreeMap::new();
    for key in KEYS {
        let owners: &[&str] = if key.name.contains('*') {
            &issuers
        } else {
            &[""]
        };
        for owner in owners.iter().copied() {
            let parts = key.name.split('.');
            let path = parts.map(|part| if part == "*" { owner } else { part });
            if let Some(name) = key.variable(owner) {
                let path = path.map(str::to_owned).collect();
                names.entry(name).or_default().push(path);
            }
        }
    }
    names
}

fn target<'a>(
    name: &str,
    names: &'a BTreeMap<String, Vec<KeyPath>>,
) -> Result<&'a KeyPath, ConfigError> {
    match names.get(name).map(Vec::as_slice) {
        Some([path]) => Ok(path),
        Some([one, other, ..]) => {
            let issuer = |path: &KeyPath| path.get(1).cloned().unwrap_or_default();
            Err(ConfigError::TwoIssuersMeant {
                name: name.to_owned(),
                one: issuer(one),
                other: issuer(other),
            })
        }
        Some([]) | None => {
            // What all of them begin with makes none nearer than another.
            let folded = |name: &str| {
                let own = name.strip_prefix(VARIABLES).unwrap_or(name);
                own.to_lowercase().replace('_', "-")
            };
            let known: BTreeMap<String, &String> =
                names.keys().map(|known| (folded(known), known)).collect();
            let near = closest(&folded(name), known.keys().map(String::as_str));
            Err(ConfigError::UnknownVariable {
                name: name.to_owned(),
                suggestion: near
                    .and_then(|near| known.get(near))
                    .map(|name| (*name).clone()),
            })
        }
    }
}

/// A TOML value, else a string.  No key takes TOML's own form of a time: what looks like one is a string too.
fn value_of(text: &str, start: usize) -> Spanned<DeValue<'_>> {
    match DeValue::parse(text) {
        Ok(value) if !value.get_ref().is_datetime() => shifted(value, start),
        Ok(_) | Err(_) => {
            // An empty value has a place too: that of the `=` before it.
            let place = if text.is_empty() {
                start - 1..start
            } else {
                start..start + text.len()
            };
            Spanned::new(place, DeValue::String(Cow::Borrowed(text)))
        }
    }
}

/// What the value of a variable is to a key that takes a string.
pub(super) fn text_of(value: &str) -> String {
    match value_of(value, 1).into_inner() {
        DeValue::String(text) => text.into_owned(),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => value.to_owned(),
    }
}

/// The same value, further on in the text.
fn shifted(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let place = span.start + by..span.end + by;
    let value = match value.into_inner() {
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| shifted(item, by));
            DeValue::Array(items.collect::<DeArray<'_>>())
        }
        DeValue::Table(table) => {
            let entries = table.into_iter().map(|(name, value)| {
                let span = name.span();
                let place = span.start + by..span.end + by;
                (Spanned::new(place, name.into_inner()), shifted(value, by))
            });
            DeValue::Table(entries.collect())
        }
        other @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => other,
    };
    Spanned::new(place, value)
}

/// What is no table in the file stays, and is complained about as that.
fn insert<'a>(
    document: &mut DeTable<'a>,
    path: &KeyPath,
    name: &Place,
    value: Spanned<DeValue<'a>>,
) {
    let Some((key, tables)) = path.split_last() else {
        return;
    };
    let mut table = document;
    for part in tables {
        match table_in(table, part, name) {
            Some(inner) => table = inner,
            None => return,
        }
    }
    table.remove(key.as_str());
    table.insert(Spanned::new(name.clone(), Cow::Owned(key.clone())), value);
}

/// The table of this name, made where there is none; None where something else is called so.
fn table_in<'t, 'a>(
    table: &'t mut DeTable<'a>,
    name: &str,
    place: &Place,
) -> Option<&'t mut DeTable<'a>> {
    if !table.contains_key(name) {
        let key = Spanned::new(place.clone(), Cow::Owned(name.to_owned()));
        table.insert(key, empty_table(place));
    }
    match table.get_mut(name)?.get_mut() {
        DeValue::Table(inner) => Some(inner),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => None,
    }
}

fn empty_table<'a>(place: &Place) -> Spanned<DeValue<'a>> {
    Spanned::new(place.clone(), DeValue::Table(DeTable::new()))
}
