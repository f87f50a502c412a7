//! `tollgate`: what an operator does beside the gateway.
//!
//! It exits with 0 if all is well, with 1 if what it looked at is not, and with 2 if it could not look.

mod check;
mod completions;
mod explain;
mod import;
mod key;
mod moment;
mod output;
mod schema;
mod source;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::{Failure, Output, Verdict};

const EXIT_CODES: &str = "\
Exit codes:
  0  All is well
  1  What was looked at is not: a fault, a denial, a key with a wrong checksum; with --strict, a warning
  2  It could not be looked at: wrong arguments, a file that cannot be read or holds nothing to look at";

/// Keys and configurations of Tollgate, the Envoy filter for LLM inference.
#[derive(Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    /// Write JSON, for programs.
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
    Completions(completions::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
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

fn run(task: Task, output: &mut Output) -> Result<Verdict, Failure> {
    match task {
        Task::Key(task) => key::run(task, output),
        Task::Check(arguments) => check::run(&arguments, output),
        Task::Explain(arguments) => explain::run(&arguments, output),
        Task::Import(task) => import::run(&task, output),
        Task::Completions(arguments) => completions::run(&arguments, output),
        Task::Schema => schema::run(output),
    }
}
