//! `tollgate schema`: the JSON Schema of the configuration, for editors.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use tollgate::config::schema;

use crate::output::{Failure, Output, Verdict};

/// Indented, for people; with `--json` in one line.
#[derive(Serialize)]
struct Schema(Value);

impl fmt::Display for Schema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

pub(crate) fn run(output: &mut Output) -> Result<Verdict, Failure> {
    output.say(&Schema(schema()))?;
    Ok(Verdict::Good)
}
