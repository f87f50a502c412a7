//! `tollgate`: what an operator does beside the gateway.
//!
//! It exits with 0 if all is well, with 1 if what it looked at is not, and with 2 if it could not look: wrong arguments,
//! or a file that cannot be read.

mod key;
mod output;
mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::{Failure, Output, Verdict};

/// Keys and configurations of Tollgate, the Envoy filter for LLM inference.
#[derive(Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true)]
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
        Task::Schema => schema::run(output),
    }
}
