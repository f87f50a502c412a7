//! `tollgate print`: the configuration in a file as the filter gets it.

use std::path::PathBuf;

use clap::Args;

use crate::check;
use crate::output::{Failure, Output, Verdict};
use crate::source::File;

/// Print the configuration in a file as the filter gets it: JSON on one line.
///
/// The file is one that `check` reads: YAML or JSON, a manifest or a bootstrap. Comments are left out. Whether the filter takes
/// the configuration is for `check` to say.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The file with the configuration; `-` is standard input
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let file = File::read(&arguments.file)?;
    let flaws = check::flaws(&file);
    if !flaws.is_empty() {
        flaws
            .iter()
            .for_each(|flaw| output.fault(&flaw.to_string()));
        return Ok(Verdict::Bad);
    }
    let [configuration] = file.configurations.as_slice() else {
        return Err(file.not_one());
    };
    output.write(&format!("{}\n", configuration.text.trim()))?;
    Ok(Verdict::Good)
}
