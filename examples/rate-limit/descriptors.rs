//! The limits, from the file that envoyproxy/ratelimit reads.

use std::collections::HashMap;

use serde::Deserialize;

use crate::messages::{Entry, RateLimit, Unit};

/// All limits of one domain.
#[derive(Debug, Default)]
pub struct Descriptors {
    pub(crate) domain: String,
    first: Level,
}

/// The descriptors on one level, by `key` or by `key_value`.
type Level = HashMap<String, Descriptor>;

#[derive(Debug)]
struct Descriptor {
    limit: Option<Limit>,
    below: Level,
}

/// One limit.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) told: RateLimit,
    /// In seconds.
    pub(crate) window: u64,
    /// It counts and refuses nobody.
    pub(crate) is_shadow: bool,
}

impl Descriptors {
    /// Reads the file. What envoyproxy/ratelimit knows and this server does not is a fault.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(yaml: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        if file.domain.is_empty() {
            return Err("`domain` must not be empty".to_owned());
        }
        Ok(Self {
            first: level(&file.domain, file.descriptors)?,
            domain: file.domain,
        })
    }

    /// The limit of what these entries name. A value that is written out comes before the key alone, and what is written
    /// below the key alone is then not for it. All entries must be used up.
    pub(crate) fn limit(&self, domain: &str, entries: &[Entry]) -> Option<&Limit> {
        if domain != self.domain {
            return None;
        }
        let mut level = &self.first;
        let mut found = None;
        for entry in entries {
            let exact = level.get(&format!("{}_{}", entry.key, entry.value));
            let next = exact.or_else(|| level.get(&entry.key))?;
            level = &next.below;
            found = next.limit.as_ref();
        }
        found
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    domain: String,
    #[serde(default)]
    descriptors: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    rate_limit: Option<WrittenLimit>,
    #[serde(default)]
    shadow_mode: bool,
    #[serde(default)]
    descriptors: Vec<Self>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimit {
    unit: String,
    requests_per_unit: u32,
    #[serde(default)]
    name: String,
}

fn level(parent: &str, descriptors: Vec<Written>) -> Result<Level, String> {
    let mut level = Level::new();
    for written in descriptors {
        let mut name = written.key;
        if name.is_empty() {
            return Err(format!("{parent}: a descriptor has an empty key"));
        }
        if !written.value.is_empty() {
            name = format!("{name}_{}", written.value);
        }
        let path = format!("{parent}.{name}");
        if name.contains('*') {
            return Err(format!("{path}: `*` is not known to this server"));
        }
        let limit = written.rate_limit.map(|limit| {
            let unit = Unit::named(&limit.unit);
            let unit = unit.ok_or_else(|| format!("{path}: unknown unit `{}`", limit.unit))?;
            Ok::<_, String>(Limit {
                told: RateLimit {
                    requests_per_unit: limit.requests_per_unit,
                    unit: unit.into(),
                    name: limit.name,
                },
                window: unit.seconds(),
                is_shadow: written.shadow_mode,
            })
        });
        let descriptor = Descriptor {
            limit: limit.transpose()?,
            below: self::level(&path, written.descriptors)?,
        };
        if level.insert(name, descriptor).is_some() {
            return Err(format!("duplicate descriptor composite key '{path}'"));
        }
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_by_its_place() {
        for (name, file, expected) in [
            ("no domain", "{domain: ''}", "`domain` must not be empty"),
            (
                "no key",
                "{domain: d, descriptors: [{key: ''}]}",
                "d: a descriptor has an empty key",
            ),
            (
                "a key twice",
                "{domain: d, descriptors: [{key: a_b}, {key: a, value: b}]}",
                "duplicate descriptor composite key 'd.a_b'",
            ),
            (
                "an unknown unit",
                "{domain: d, descriptors: [{key: a, rate_limit: {unit: moon, requests_per_unit: 1}}]}",
                "d.a: unknown unit `moon`",
            ),
            (
                "a pattern",
                "{domain: d, descriptors: [{key: a, value: 'b*'}]}",
                "d.a_b*: `*` is not known to this server",
            ),
        ] {
            assert_eq!(Descriptors::read(file).unwrap_err(), expected, "{name}");
        }
    }
}
