//! `tollgate completions`: prints the completions of this command for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::output::{Failure, Output, Verdict};

/// Print the completions of this command for a shell.
#[derive(Args)]
pub(crate) struct Arguments {
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let mut script = Vec::new();
    let mut command = crate::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "tollgate", &mut script);
    output.write(&String::from_utf8_lossy(&script))?;
    Ok(Verdict::Good)
}
