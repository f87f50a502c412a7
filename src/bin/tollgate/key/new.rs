//! `tollgate key new`: creates a key and its entry for the configuration.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use tollgate::config::compile;

use super::{format, hash};
use crate::moment::{self, End};
use crate::output::{self, Failure, Output, Verdict};

/// Create a key, and print its entry for `keys`.
///
/// The entry goes to standard output, which never contains the key. The key goes to standard error, once, or to a file
/// that only its owner can read.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    destination: Destination,
}

/// What a key is to be.
#[derive(Args)]
pub(super) struct Wanted {
    /// The tenant that it belongs to
    #[arg(long)]
    tenant: String,
    /// The public name of the key [default: the tenant and 8 random letters and digits]
    #[arg(long)]
    id: Option<String>,
    /// The expiry: a number of days such as `90d`, or a date such as `2027-01-01T00:00:00Z` [default: never]
    #[arg(long, value_name = "DAYS|DATE")]
    expires: Option<End>,
    /// The beginning of the key [default: `sk-` and the tenant]
    #[arg(long)]
    prefix: Option<String>,
    /// The groups of the key, in addition to the tenant's
    #[arg(long, value_delimiter = ',')]
    groups: Vec<String>,
    /// The models that it is narrowed to: names, `prefix*` or `*` [default: what its groups allow]
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// What it is for, for your eyes only
    #[arg(long)]
    description: Option<String>,
}

/// Where a new key goes.
#[derive(Args)]
pub(super) struct Destination {
    /// Write the key to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Destination {
    /// Refuses a key that nobody would ever see.
    pub(super) fn refuse_nowhere(&self) -> Result<(), Failure> {
        if self.key_file.is_none() && output::errors_go_nowhere() {
            return Err(Failure::new(
                "standard error goes nowhere, and the key with it; expected `--key-file FILE`, or standard error that is kept",
            ));
        }
        Ok(())
    }

    pub(super) fn hand_out(&self, key: &str, output: &mut Output) -> Result<(), Failure> {
        match &self.key_file {
            Some(path) => store(path, key),
            None => output.confide(key),
        }
    }
}

/// An entry of `keys`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) id: String,
    tenant: String,
    key_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// YAML. Strings are quoted as in JSON, so that none is read as a number or a date.
impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "- id: {}", json!(self.id))?;
        write!(formatter, "\n  tenant: {}", json!(self.tenant))?;
        write!(formatter, "\n  keyHash: {}", json!(self.key_hash))?;
        if let Some(end) = &self.expires_at {
            write!(formatter, "\n  expiresAt: {}", json!(end))?;
        }
        if !self.groups.is_empty() {
            write!(formatter, "\n  groups: {}", json!(self.groups))?;
        }
        if !self.models.is_empty() {
            write!(formatter, "\n  models: {}", json!(self.models))?;
        }
        if let Some(description) = &self.description {
            write!(formatter, "\n  description: {}", json!(description))?;
        }
        Ok(())
    }
}

pub(super) fn run(arguments: Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    arguments.destination.refuse_nowhere()?;
    let (entry, key) = make(arguments.wanted)?;
    arguments.destination.hand_out(&key, output)?;
    output.say(&entry)?;
    Ok(Verdict::Good)
}

/// A key, and the entry that is configured of it.
pub(super) fn make(wanted: Wanted) -> Result<(Entry, String), Failure> {
    let end = end_of(wanted.expires)?;
    let public = format::public()?;
    let prefix = wanted
        .prefix
        .unwrap_or_else(|| format!("sk-{}", plain(&wanted.tenant)));
    if prefix.is_empty() || prefix.len() > 200 || plain(&prefix) != prefix {
        return Err(Failure::new(
            "--prefix: expected 1 to 200 letters, digits, `.` and `-`",
        ));
    }
    let key = format::make(&prefix, &public)?;
    let entry = Entry {
        id: wanted
            .id
            .unwrap_or_else(|| format!("{}-{public}", wanted.tenant)),
        tenant: wanted.tenant,
        key_hash: hash(key.as_bytes()),
        expires_at: end,
        groups: wanted.groups,
        models: wanted.models,
        description: wanted.description,
    };
    refuse_faults(&entry)?;
    Ok((entry, key))
}

/// When a key is to end, as RFC 3339.
pub(super) fn end_of(expires: Option<End>) -> Result<Option<String>, Failure> {
    let now = moment::now();
    let end = expires.map(|end| end.seen_from(now));
    if end.is_some_and(|end| end <= now) {
        return Err(Failure::new(
            "--expires: the key would have expired already",
        ));
    }
    Ok(end.and_then(moment::format))
}

/// A key of this tenant, and its public part.
pub(super) fn secret_of(tenant: &str) -> Result<(String, String), Failure> {
    let public = format::public()?;
    let key = format::make(&format!("sk-{}", plain(tenant)), &public)?;
    Ok((key, public))
}

/// The characters of a key are valid in every header.
fn plain(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    text.chars()
        .map(|letter| if fits(letter) { letter } else { '-' })
        .collect()
}

/// Checks the names with the filter's own code.
fn refuse_faults(entry: &Entry) -> Result<(), Failure> {
    let tenants = json!({ (entry.tenant.as_str()): {} });
    let models = json!({"*": {"access": "authenticated"}});
    let configuration = json!({"tenants": tenants, "keys": [entry], "models": models});
    let faults = compile(configuration.to_string().as_bytes(), &|_| None).err();
    let messages: Vec<String> = faults.iter().flatten().map(ToString::to_string).collect();
    if messages.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(messages.join("; ")))
    }
}

/// Writes the key to a new file of its own.
fn store(path: &Path, key: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{key}")?;
        file.sync_all()
    });
    written.map_err(|error| Failure::new(format!("{}: cannot write: {error}", path.display())))
}
