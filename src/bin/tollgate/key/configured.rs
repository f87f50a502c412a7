//! `tollgate key list`, `add`, `rotate` and `revoke`: the keys of a configuration, in the file that holds it.
//!
//! A file is only written once it has been read again and holds what it held, but for what was asked, and once the filter takes
//! it. Comments, order and layout stay.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::hash;
use super::new::{Destination, Wanted, end_of, make, secret_of};
use crate::check;
use crate::check::environment::Gateway;
use crate::moment::{self, Days, End};
use crate::output::{Failure, Output, Verdict};
use crate::source::{Configuration, File, edit};

/// Print the keys of a configuration: whose they are, and until when they are good.
#[derive(Args)]
pub(crate) struct List {
    /// The file with the configuration, as `check` reads it; `-` is standard input
    file: PathBuf,
}

/// Make a key, and add its entry to the configuration in a file.
///
/// The key goes to standard error, once, or to a file that only its owner can read.
#[derive(Args)]
pub(crate) struct Add {
    /// The file with the configuration, as `check` reads it
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    destination: Destination,
}

/// Make a key in the place of another one, which goes on for a time.
///
/// The new entry has what the old one has, save its id, its hash and its dates.
#[derive(Args)]
pub(crate) struct Rotate {
    /// The file with the configuration, as `check` reads it
    file: PathBuf,
    /// The `id` of the old key
    id: String,
    /// How long the old key goes on
    #[arg(long, value_name = "DAYS", default_value = "7d")]
    overlap: Days,
    /// When the new key ends: a number of days such as `90d`, or a date such as `2027-01-01T00:00:00Z`. To be said where the old
    /// key ends
    #[arg(long, value_name = "DAYS|DATE")]
    expires: Option<End>,
    /// The `id` of the new key [default: the tenant and 8 random letters and digits]
    #[arg(long = "new-id", value_name = "ID")]
    new_id: Option<String>,
    #[command(flatten)]
    destination: Destination,
}

/// Disable a key. Its holder gets `expired_credential` from then on.
///
/// The entry stays, so that nobody wonders about a key that is unknown. Remove it by hand when it is not used any more.
#[derive(Args)]
pub(crate) struct Revoke {
    /// The file with the configuration, as `check` reads it
    file: PathBuf,
    /// The `id` of the key
    id: String,
}

/// One key of a configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    tenant: String,
    /// `good`, `expired`, `disabled` or `notYet`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    line: usize,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

impl fmt::Display for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |row: &Row| {
            let end = row.expires_at.clone().unwrap_or_else(|| "never".to_owned());
            let description = row.description.clone().unwrap_or_default();
            [
                row.id.clone(),
                row.tenant.clone(),
                row.state.to_owned(),
                end,
                description,
            ]
        };
        let head = ["id", "tenant", "state", "expires", "description"].map(str::to_owned);
        let rows: Vec<[String; 5]> = std::iter::once(head)
            .chain(self.0.iter().map(cells))
            .collect();
        let mut lines = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let widest = rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count());
                let width = widest.max().unwrap_or_default();
                line.push_str(&format!("{cell:width$}  "));
            }
            lines.push(line.trim_end().to_owned());
        }
        formatter.write_str(&lines.join("\n"))
    }
}

pub(super) fn list(arguments: &List, output: &mut Output) -> Result<Verdict, Failure> {
    let opened = Opened::read(&arguments.file)?;
    let now = moment::now();
    let keys = opened.keys();
    let row = |(index, key): (usize, &Value)| {
        let text = |name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
        let moment = |name: &str| text(name).as_deref().and_then(moment::parse);
        let state = if key.get("disabled") == Some(&Value::Bool(true)) {
            "disabled"
        } else if moment("expiresAt").is_some_and(|end| end <= now) {
            "expired"
        } else if moment("notBefore").is_some_and(|start| now < start) {
            "notYet"
        } else {
            "good"
        };
        Row {
            id: text("id").unwrap_or_default(),
            tenant: text("tenant").unwrap_or_default(),
            state,
            expires_at: text("expiresAt"),
            description: text("description"),
            line: opened.configuration().line_of(&format!("keys[{index}]")),
        }
    };
    let rows = Rows(keys.iter().enumerate().map(row).collect());
    output.say(&rows)?;
    Ok(Verdict::Good)
}

pub(super) fn add(arguments: Add, output: &mut Output) -> Result<Verdict, Failure> {
    arguments.destination.refuse_nowhere()?;
    let opened = Opened::to_begin_or_go_on(&arguments.file)?;
    let (entry, key) = make(arguments.wanted)?;
    let changed = opened.with_key(&json!(entry))?;
    arguments.destination.hand_out(&key, output)?;
    changed.write(&arguments.file)?;
    output.say(&entry)?;
    Ok(Verdict::Good)
}

pub(super) fn rotate(arguments: &Rotate, output: &mut Output) -> Result<Verdict, Failure> {
    arguments.destination.refuse_nowhere()?;
    let opened = Opened::of_file(&arguments.file)?;
    let (index, old) = opened.key(&arguments.id)?;
    let expires_at = end_of(arguments.expires)?;
    if expires_at.is_none() && old.get("expiresAt").is_some() {
        return Err(Failure::new(
            "--expires: the old key has an end; expected that of the new one",
        ));
    }
    let tenant = old
        .get("tenant")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (key, public) = secret_of(tenant)?;
    let mut entry = old.clone();
    if let Some(members) = entry.as_object_mut() {
        members.remove("notBefore");
        members.remove("disabled");
        members.remove("expiresAt");
        let id = arguments.new_id.clone();
        let id = id.unwrap_or_else(|| format!("{tenant}-{public}"));
        members.insert("id".to_owned(), id.into());
        members.insert("keyHash".to_owned(), hash(key.as_bytes()).into());
        members.extend(expires_at.map(|end| ("expiresAt".to_owned(), end.into())));
    }
    let last = arguments.overlap.after(moment::now());
    let ends = old
        .get("expiresAt")
        .and_then(Value::as_str)
        .and_then(moment::parse);
    let goes_on = ends.is_none_or(|end| last < end);
    let opened = match moment::format(last).filter(|_| goes_on) {
        Some(end) => opened.with_member(index, "expiresAt", &end.into())?,
        None => opened,
    };
    let changed = opened.with_key(&entry)?;
    arguments.destination.hand_out(&key, output)?;
    changed.write(&arguments.file)?;
    output.say(&Rotated(entry))?;
    Ok(Verdict::Good)
}

pub(super) fn revoke(arguments: &Revoke, output: &mut Output) -> Result<Verdict, Failure> {
    let opened = Opened::of_file(&arguments.file)?;
    let (index, key) = opened.key(&arguments.id)?;
    let id = key.get("id").cloned().unwrap_or_default();
    opened
        .with_member(index, "disabled", &Value::Bool(true))?
        .write(&arguments.file)?;
    output.say(&Revoked { id, disabled: true })?;
    Ok(Verdict::Good)
}

/// The new entry.
#[derive(Serialize)]
#[serde(transparent)]
struct Rotated(Value);

impl fmt::Display for Rotated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = edit::members(&self.0).collect();
        write!(formatter, "- {}", lines.join("\n  "))
    }
}

#[derive(Serialize)]
struct Revoked {
    id: Value,
    disabled: bool,
}

impl fmt::Display for Revoked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "disabled {}",
            self.id.as_str().unwrap_or_default()
        )
    }
}

/// A file with one configuration, and its text.
struct Opened {
    text: String,
    file: File,
    configuration: Value,
}

impl Opened {
    /// Reads a file that is to be written, and has keys.
    fn of_file(path: &Path) -> Result<Self, Failure> {
        let opened = Self::to_be_written(path)?;
        opened.refuse_faulty()?;
        Ok(opened)
    }

    /// Reads a file that is to get a key. The filter may refuse one that has no key yet: what counts is whether it takes the
    /// file with the key.
    fn to_begin_or_go_on(path: &Path) -> Result<Self, Failure> {
        let opened = Self::to_be_written(path)?;
        if !opened.keys().is_empty() {
            opened.refuse_faulty()?;
        }
        Ok(opened)
    }

    fn to_be_written(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Err(Failure::new("expected a file, which is to be written"));
        }
        Self::read(path)
    }

    fn refuse_faulty(&self) -> Result<(), Failure> {
        self.refuse_faults("the filter refuses this configuration already; see `tollgate check`")
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let (file, text) = File::read_with_text(path)?;
        Self::of(file, text)
    }

    fn of(file: File, text: String) -> Result<Self, Failure> {
        if let Some(flaw) = check::flaws(&file).first() {
            return Err(Failure::new(flaw.to_string()));
        }
        let [configuration] = file.configurations.as_slice() else {
            return Err(file.not_one());
        };
        let configuration = serde_json::from_str(&configuration.text)
            .map_err(|_| Failure::new(format!("{}: the configuration is no JSON", file.name)))?;
        Ok(Self {
            text,
            file,
            configuration,
        })
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is one, which `of` has seen to"
    )]
    fn configuration(&self) -> &Configuration {
        &self.file.configurations[0]
    }

    fn keys(&self) -> &[Value] {
        let keys = self.configuration.get("keys").and_then(Value::as_array);
        keys.map_or(&[], Vec::as_slice)
    }

    /// The key of this id. What is given is not repeated: it may be a key.
    fn key(&self, id: &str) -> Result<(usize, &Value), Failure> {
        let mut keys = self.keys().iter().enumerate();
        keys.find(|(_, key)| key.get("id").and_then(Value::as_str) == Some(id))
            .ok_or_else(|| {
                Failure::new(format!(
                    "{}: no key has this `id`; see `tollgate key list`",
                    self.file.name
                ))
            })
    }

    fn with_key(&self, entry: &Value) -> Result<Self, Failure> {
        let mut wanted = self.configuration.clone();
        if let Some(keys) = wanted.get_mut("keys").and_then(Value::as_array_mut) {
            keys.push(entry.clone());
        } else if let Some(members) = wanted.as_object_mut() {
            members.insert("keys".to_owned(), json!([entry]));
        }
        self.turned_into(
            edit::add_key(&self.text, self.configuration(), entry),
            &wanted,
        )
    }

    fn with_member(&self, index: usize, name: &str, value: &Value) -> Result<Self, Failure> {
        let mut wanted = self.configuration.clone();
        let keys = wanted.get_mut("keys").and_then(Value::as_array_mut);
        let key = keys.and_then(|keys| keys.get_mut(index));
        if let Some(key) = key.and_then(Value::as_object_mut) {
            key.insert(name.to_owned(), value.clone());
        }
        let text = edit::set_member(&self.text, self.configuration(), index, name, value);
        self.turned_into(text, &wanted)
    }

    /// What the file becomes, if that is what is wanted and nothing else.
    fn turned_into(&self, text: Option<String>, wanted: &Value) -> Result<Self, Failure> {
        let name = &self.file.name;
        let changed = text.and_then(|text| {
            let file = File::parse(name.clone(), &text);
            Self::of(file, text).ok()
        });
        let changed = changed
            .filter(|changed| changed.configuration == *wanted)
            .ok_or_else(|| {
                Failure::new(format!(
                    "{name}: the keys are laid out in a way that this cannot write; expected `keys` as a list with an entry on each line, or as JSON. Nothing was changed; `tollgate key new` makes an entry to put in by hand"
                ))
            })?;
        changed.refuse_faults("the filter would refuse this")?;
        Ok(changed)
    }

    fn refuse_faults(&self, why: &str) -> Result<(), Failure> {
        let compiled = check::compiled(&self.file, self.configuration(), &Gateway::Assumed);
        let faults = compiled.err().unwrap_or_default();
        if faults.is_empty() {
            return Ok(());
        }
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let name = &self.file.name;
        Err(Failure::new(format!(
            "{name}: {why}\n{}",
            faults.join("\n")
        )))
    }

    /// Puts the text into the place of the file in one step, so that nobody reads a half of it.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        let name = &self.file.name;
        let failed = |error: &dyn fmt::Display| {
            Failure::new(format!(
                "{name}: cannot write, nothing was changed: {error}"
            ))
        };
        let path = fs::canonicalize(path).map_err(|error| failed(&error))?;
        let mut beside = path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = fs::metadata(&path).and_then(|about| {
            fs::write(&beside, &self.text)?;
            fs::set_permissions(&beside, about.permissions())?;
            fs::rename(&beside, &path)
        });
        written.map_err(|error| {
            // It is of no use to anybody, and may not even be there.
            let _ = fs::remove_file(&beside);
            failed(&error)
        })
    }
}
