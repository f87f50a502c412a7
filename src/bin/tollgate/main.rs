//! `tollgate`: the operator's command.
//!
//! It exits with 0 on success, with 1 if the input is faulty, and with 2 if the input could not be checked.

mod check;
mod completions;
mod explain;
mod import;
mod key;
mod limits;
mod moment;
mod output;
mod print;
mod schema;
mod source;
mod yaml;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::{Failure, Output, Verdict};

const EXIT_CODES: &str = "\
Exit codes:
  0  Success
  1  The input is faulty: a fault, a denial, a key with a wrong checksum; with --strict, a warning
  2  The input could not be checked: wrong arguments, a file that cannot be read or contains nothing to check";

/// Manage keys and check configurations of Tollgate, the Envoy filter for LLM inference.
#[derive(Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    #[command(subcommand)]
    Key(key::Task),
    Check(check::Arguments),
    Explain(Box<explain::Arguments>),
    #[command(subcommand)]
    Import(import::Task),
    #[command(subcommand)]
    Limits(limits::Task),
    Print(print::Arguments),
    Completions(completions::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let mut output = Output::new(arguments.json);
    match run(arguments.task, &mut output) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Err(failure) => {
            failure.report();
            ExitCode::from(2)
        }
    }
}

/// Prints the problem with the arguments. Long values are left out, because they may be misplaced keys.
fn refuse(error: &clap::Error) -> ExitCode {
    let values = std::env::args().skip(1).filter_map(|argument| {
        if argument.starts_with('-') {
            let (_, value) = argument.split_once('=')?;
            Some(value.to_owned())
        } else {
            Some(argument)
        }
    });
    let text = values
        .filter(|value| value.len() >= 16)
        .fold(error.to_string(), |text, value| text.replace(&value, "…"));
    let written = if error.use_stderr() {
        write!(io::stderr(), "{text}")
    } else {
        write!(io::stdout(), "{text}")
    };
    // Without a reader, the exit code is enough.
    drop(written);
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn run(task: Task, output: &mut Output) -> Result<Verdict, Failure> {
    match task {
        Task::Key(task) => key::run(task, output),
        Task::Check(arguments) => check::run(&arguments, output),
        Task::Explain(arguments) => explain::run(&arguments, output),
        Task::Import(task) => import::run(&task, output),
        Task::Limits(task) => limits::run(&task, output),
        Task::Print(arguments) => print::run(&arguments, output),
        Task::Completions(arguments) => completions::run(&arguments, output),
        Task::Schema => schema::run(output),
    }
}
