//! `tollgate key`: creates and hashes keys.

mod configured;
mod format;
mod new;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};

use clap::Subcommand;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tollgate::key_format::{Doubt, doubt};

use crate::output::{Failure, Output, Verdict};

/// The filter refuses longer keys.
const LONGEST_KEY: u64 = 512;

/// Make keys, hash them, and keep those of a configuration.
#[derive(Subcommand)]
pub(crate) enum Task {
    New(new::Arguments),
    List(configured::List),
    Add(configured::Add),
    Rotate(configured::Rotate),
    Revoke(configured::Revoke),
    /// Read a key from standard input, and print the `keyHash` that is configured of it.
    ///
    /// A key cannot be an argument, because other users of the machine could see it. If the input does not look like a
    /// key, the hash is printed with exit code 1: the key is cut or mistyped, or has quotes or `Bearer` around it.
    Hash {
        /// Accepted only to be refused without repeating the value.
        #[arg(hide = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hash {
    key_hash: String,
    /// The objection to the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<Doubt>,
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key_hash)
    }
}

pub(crate) fn run(task: Task, output: &mut Output) -> Result<Verdict, Failure> {
    match task {
        Task::New(arguments) => new::run(arguments, output),
        Task::List(arguments) => configured::list(&arguments, output),
        Task::Add(arguments) => configured::add(arguments, output),
        Task::Rotate(arguments) => configured::rotate(&arguments, output),
        Task::Revoke(arguments) => configured::revoke(&arguments, output),
        Task::Hash { arguments } if !arguments.is_empty() => Err(Failure::new(
            "expected the key on standard input; other users of the machine can see arguments",
        )),
        Task::Hash { .. } => {
            let key = from_stdin()?;
            let warning = doubt(&key);
            if let Some(doubt) = warning {
                output.warn(&doubt.to_string());
            }
            output.say(&Hash {
                key_hash: hash(&key),
                warning,
            })?;
            Ok(match warning {
                Some(Doubt::Words | Doubt::Guessable) | None => Verdict::Good,
                Some(_) => Verdict::Bad,
            })
        }
    }
}

/// A key from standard input, without the end of its line.
pub(crate) fn from_stdin() -> Result<Vec<u8>, Failure> {
    let mut key = Vec::new();
    io::stdin()
        .take(1024)
        .read_to_end(&mut key)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    let key = key.strip_suffix(b"\n").unwrap_or(&key);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    if key.is_empty() || key.len() as u64 > LONGEST_KEY {
        return Err(Failure::new(format!(
            "expected a key of 1 to {LONGEST_KEY} bytes on standard input"
        )));
    }
    Ok(key.to_vec())
}

pub(crate) fn hash(key: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(key)))
}
