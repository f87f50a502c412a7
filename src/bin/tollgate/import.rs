//! `tollgate import`: the keys of another system ▶ a configuration that holds their hashes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use tollgate::config::{self, RESERVED_NAMES, is_name, list_entries};
use tollgate::key_format::doubt;

use crate::key;
use crate::output::{Failure, Output, Verdict};

/// The tenant of a list without users.
const EVERYBODY: &str = "everybody";

/// A user of this length is hardly a name.
const LONG: usize = 20;

/// Leaves room for a number after a name.
const LONGEST_NAME: usize = 100;

/// Convert the keys of another system to a configuration.
///
/// The output contains the hashes of the keys and never a key. Remarks go to standard error. If there is a fault, only
/// the faults are printed, each with its place, and the exit code is 1.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// A CSV file of `KEY,USER`, as in llm-d's proof of concept.
    ///
    /// Each user becomes a tenant. Empty lines and lines that begin with `#` are skipped; there is no heading.
    KeysUsers(Source),
    /// A key list of vLLM or its production stack: separated by commas or line ends, or a JSON list.
    ///
    /// For a Secret, give its decoded value:
    /// kubectl get secret NAME -o jsonpath='{.data.KEY}' | base64 -d | tollgate import vllm
    Vllm(Source),
}

#[derive(Args)]
pub(crate) struct Source {
    /// The file; `-` is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Put all keys into this tenant. Default: for a key list without users, `everybody`.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

/// A key in the input.
struct Found<'t> {
    /// Its place, as shown in messages.
    place: String,
    key: Cow<'t, str>,
    /// Whose it is, where that is said.
    user: Option<String>,
}

/// The result for the keys.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Imported(Value);

/// The configuration, formatted as people write it, with an entry on each line.
impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = |section: &str| {
            let texts: Vec<String> = match self.0.get(section) {
                Some(Value::Array(items)) => items.iter().map(Value::to_string).collect(),
                Some(Value::Object(members)) => members
                    .iter()
                    .map(|(name, value)| format!("{}: {value}", Value::from(name.as_str())))
                    .collect(),
                _ => Vec::new(),
            };
            texts.join(",\n    ")
        };
        let (tenants, keys, models) = (entries("tenants"), entries("keys"), entries("models"));
        write!(
            formatter,
            "{{\n  \"tenants\": {{\n    {tenants}\n  }},\n  \"keys\": [\n    {keys}\n  ],\n  \"models\": {{\n    {models}\n  }}\n}}"
        )
    }
}

pub(crate) fn run(task: &Task, output: &mut Output) -> Result<Verdict, Failure> {
    let (source, with_users) = match task {
        Task::KeysUsers(source) => (source, true),
        Task::Vllm(source) => (source, false),
    };
    let text = read(&source.file)?;
    let import = Import::new(&text, with_users, source.tenant.as_deref());
    if !import.faults.is_empty() {
        import.faults.iter().for_each(|fault| output.fault(fault));
        return Ok(Verdict::Bad);
    }
    let imported = import.configuration();
    // A configuration that the filter would refuse must not be printed.
    if let Err(faults) = config::compile(imported.0.to_string().as_bytes(), &|_| None) {
        for fault in faults {
            output.fault(&fault.to_string());
        }
        return Ok(Verdict::Bad);
    }
    import.remarks.iter().for_each(|said| output.warn(said));
    output.say(&imported)?;
    Ok(Verdict::Good)
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| Failure::of_file(file, &error))
}

/// The result of reading a list.
#[derive(Default)]
pub(super) struct Import {
    /// Tenant, id and hash of each key.
    keys: Vec<(String, String, String)>,
    pub(super) faults: Vec<String>,
    pub(super) remarks: Vec<String>,
}

impl Import {
    pub(super) fn new(text: &str, with_users: bool, tenant: Option<&str>) -> Self {
        let mut import = Self::default();
        let found = if with_users {
            import.records(text)
        } else {
            import.list(text)
        };
        if found.is_empty() && import.faults.is_empty() {
            import.faults.push("it contains no key".to_owned());
        }
        import.add(&found, tenant);
        import
            .remarks
            .push("`models` allows every model for every key; restrict it if necessary".to_owned());
        import
    }

    pub(super) fn configuration(&self) -> Imported {
        let tenants: BTreeMap<&str, Value> = self
            .keys
            .iter()
            .map(|(tenant, _, _)| (tenant.as_str(), json!({})))
            .collect();
        let keys = self
            .keys
            .iter()
            .map(|(tenant, id, hash)| json!({"id": id, "tenant": tenant, "keyHash": hash}));
        Imported(json!({
            "tenants": tenants,
            "keys": keys.collect::<Vec<_>>(),
            "models": {"*": {"access": "authenticated"}},
        }))
    }

    /// Records `KEY,USER` of a CSV file (RFC 4180), in quotes or without.
    fn records(&mut self, text: &str) -> Vec<Found<'static>> {
        // The reader counts no line for the first half of a CR and LF.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        if text.trim_start().starts_with(['{', '[']) {
            self.faults
                .push("this is JSON; expected CSV, `KEY,USER` on each line".to_owned());
            return Vec::new();
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let mut found = Vec::new();
        for record in reader.records() {
            let Ok(record) = record else {
                self.faults
                    .push("this is no CSV in UTF-8; expected `KEY,USER` on each line".to_owned());
                return Vec::new();
            };
            let place = format!("line {}", line_of(&record, &text));
            match record.iter().collect::<Vec<_>>().as_slice() {
                [""] => {}
                fields if fields.iter().any(|field| field.contains(['\n', '\r'])) => {
                    self.fault(
                        &place,
                        "a quote is not closed; expected `KEY,USER` on each line",
                    );
                }
                [key, user] if looks_swapped(key, user) => self.fault(
                    &place,
                    "the text after the comma looks like a key; expected `KEY,USER`",
                ),
                [_, user] if user.starts_with(['"', '\'']) => self.fault(
                    &place,
                    "there are quotes around the user that are none of CSV; expected `\"` or none",
                ),
                [key, user] if !user.is_empty() => found.push(Found {
                    place,
                    key: Cow::Owned((*key).to_owned()),
                    user: Some((*user).to_owned()),
                }),
                _ => self.fault(&place, "expected `KEY,USER` with one comma"),
            }
        }
        found
    }

    /// A list of keys, in the format of `keysFrom`.
    fn list<'t>(&mut self, text: &'t str) -> Vec<Found<'t>> {
        if text.lines().any(|line| line.starts_with("apiVersion:")) {
            self.faults
                .push("this is a manifest; expected the decoded value of the Secret".to_owned());
            return Vec::new();
        }
        let Some(entries) = list_entries(text) else {
            self.faults
                .push("it begins with `[` but is not a JSON list of strings".to_owned());
            return Vec::new();
        };
        let found = entries.into_iter().zip(1_usize..);
        found
            .map(|(key, number)| Found {
                place: format!("key {number}"),
                key,
                user: None,
            })
            .collect()
    }

    fn add(&mut self, found: &[Found<'_>], tenant: Option<&str>) {
        let mut names = Names::default();
        // Who has a good name already keeps it.
        let users = found.iter().filter_map(|found| found.user.as_deref());
        for user in users.filter(|user| plain(user) == *user) {
            names.of(user);
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut known: HashMap<&str, (&str, String)> = HashMap::new();
        for Found { place, key, user } in found {
            let doubt = doubt(key.as_bytes());
            if let Some(doubt) = doubt.filter(|doubt| doubt.is_no_key()) {
                self.fault(place, &doubt.to_string());
                continue;
            }
            let owner = match user {
                Some(user) => names.of(user),
                None => tenant.unwrap_or(EVERYBODY).to_owned(),
            };
            match known.get(key.as_ref()) {
                Some((other, theirs)) if *theirs == owner => {
                    self.remark(place, &format!("the same key as {other}; skipped"));
                    continue;
                }
                Some((other, _)) => {
                    self.fault(place, &format!("the same key as {other}, for another user"));
                    continue;
                }
                None => known.insert(key, (place, owner.clone())),
            };
            if let Some(doubt) = doubt {
                self.remark(place, &doubt.to_string());
            }
            let count = counts.entry(owner.clone()).or_default();
            *count = count.saturating_add(1);
            if *count == 1 && user.as_ref().is_some_and(|user| *user != owner) {
                self.remark(
                    place,
                    &format!("the user is not a valid name, and becomes `{owner}`"),
                );
            }
            let id = format!("{owner}-{count}");
            let tenant = tenant.map_or(owner, str::to_owned);
            self.keys.push((tenant, id, key::hash(key.as_bytes())));
        }
    }

    fn fault(&mut self, place: &str, message: &str) {
        self.faults.push(format!("{place}: {message}"));
    }

    fn remark(&mut self, place: &str, message: &str) {
        self.remarks.push(format!("{place}: {message}"));
    }
}

/// The line of a record, which the reader says begins with the comments and empty lines before it.
fn line_of(record: &csv::StringRecord, text: &str) -> usize {
    let position = record.position();
    let line = position.and_then(|position| usize::try_from(position.line()).ok());
    let line = line.unwrap_or_default();
    let lines = text.lines().skip(line.saturating_sub(1));
    let skipped = lines.take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    line.saturating_add(skipped.count())
}

/// The names that users get, each of its own.
#[derive(Default)]
struct Names {
    of_user: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Names {
    fn of(&mut self, user: &str) -> String {
        if let Some(name) = self.of_user.get(user) {
            return name.clone();
        }
        let plain = plain(user);
        let numbered = (2_usize..).map(|number| format!("{plain}-{number}"));
        let mut candidates = std::iter::once(plain.clone()).chain(numbered);
        let name = candidates
            .find(|name| !self.taken.contains(name))
            .unwrap_or_default();
        self.taken.insert(name.clone());
        self.of_user.insert(user.to_owned(), name.clone());
        name
    }
}

/// The valid name of a tenant that is closest to this text.
fn plain(user: &str) -> String {
    let letter = |letter: char| {
        let mut buffer = [0; 4];
        if is_name(letter.encode_utf8(&mut buffer)) {
            letter
        } else {
            '-'
        }
    };
    let name: String = user.chars().take(LONGEST_NAME).map(letter).collect();
    if RESERVED_NAMES.contains(&name.as_str()) {
        format!("{name}-user")
    } else {
        name
    }
}

/// Returns true if the columns may be swapped. Keys must not become names, which are printed.
fn looks_swapped(key: &str, user: &str) -> bool {
    user.starts_with("sk-") || (user.len() >= LONG && user.len() > key.len() && !user.contains('@'))
}

#[cfg(test)]
mod tests;
