//! `tollgate check`: whether the filter will take a configuration, by the very code of the filter.

pub(crate) mod environment;
mod placement;
mod report;
mod warnings;

use std::path::PathBuf;

use clap::Args;
use tollgate::config::compile;

use self::environment::Gateway;
use self::report::{Finding, Report, Severity};
use self::warnings::Clock;
use crate::moment::{self, Days};
use crate::output::{Failure, Output, Verdict};
use crate::source::{Configuration, File};

/// Say whether the filter will take the configurations in some files, and what is wrong with them.
///
/// A file may be a configuration as YAML or JSON, an Istio WasmPlugin, an EnvoyExtensionPolicy, a bootstrap, listener or
/// extension of Envoy, or anything that holds one of these. Each fault is one line, `FILE:LINE: path: what is wrong`, and
/// never repeats a value.
///
/// Variables of the gateway's environment (`keysFrom`, `credentials.forward`) are taken as set where the manifest passes
/// them on, since their values are the gateway's secrets.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What to look at; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Warn about keys that expire within so many days
    #[arg(long, value_name = "DAYS", default_value = "30d")]
    expiring_within: Days,
    /// Take the gateway's variables from a file with lines `NAME=value`
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Take the gateway's variables from the environment of this command
    #[arg(long, conflicts_with = "env_file")]
    environment: bool,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let gateway = match &arguments.env_file {
        Some(path) => Gateway::of_file(path)?,
        None if arguments.environment => Gateway::of_process(),
        None => Gateway::Assumed,
    };
    let now = moment::now();
    let clock = Clock {
        now,
        soon: arguments.expiring_within.after(now),
    };
    let mut report = Report::default();
    let mut failures = Vec::new();
    for path in &arguments.files {
        match File::read(path) {
            Ok(file) => {
                if file.configurations.is_empty() && file.flaws.is_empty() {
                    let message = format!("{}: holds no configuration of Tollgate", file.name);
                    failures.push(Failure::new(message));
                }
                report.add(&file, findings(&file, &gateway, clock));
            }
            Err(failure) => failures.push(failure),
        }
    }
    output.say(&report)?;
    match Failure::all(failures) {
        Some(failure) => Err(failure),
        None if report.is_good(arguments.strict) => Ok(Verdict::Good),
        None => Ok(Verdict::Bad),
    }
}

fn findings(file: &File, gateway: &Gateway, clock: Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |severity, line, path: &str, message: &str| {
        findings.push(Finding {
            file: file.name.clone(),
            line,
            path: path.to_owned(),
            severity,
            message: message.to_owned(),
        });
    };
    for flaw in &file.flaws {
        find(Severity::Fault, flaw.line, &flaw.path, &flaw.message);
    }
    for configuration in &file.configurations {
        let faults = faults(configuration, gateway);
        for (path, message) in &faults {
            let line = configuration.line_of(path);
            find(Severity::Fault, line, path, message);
        }
        for (line, path, message) in placement::warnings(configuration) {
            find(Severity::Warning, line, &path, &message);
        }
        // What is wrong would be warned about once more.
        if !faults.is_empty() {
            continue;
        }
        for (path, message) in warnings::of(&configuration.text, clock) {
            find(
                Severity::Warning,
                configuration.line_of(&path),
                &path,
                &message,
            );
        }
        for path in gateway.assumes(configuration) {
            let message =
                "taken as set, its value is not looked at; see `--env-file` and `--environment`";
            find(Severity::Note, configuration.line_of(&path), &path, message);
        }
    }
    for (line, name) in &file.others {
        let message =
            format!("the WebAssembly filter `{name}` is none of Tollgate's; not looked at");
        find(Severity::Note, *line, "", &message);
    }
    findings
}

/// Path and message of each fault.
pub(crate) fn faults(configuration: &Configuration, gateway: &Gateway) -> Vec<(String, String)> {
    let compiled = compile(
        configuration.text.as_bytes(),
        &gateway.seen_by(configuration),
    );
    let faults = compiled.err().unwrap_or_default();
    let faults = faults.iter().map(|fault| {
        let (path, message) = (fault.path(), fault.message());
        let unset = message.starts_with("the variable is unset");
        let expected = unset
            .then(|| environment::missing(configuration, path))
            .flatten();
        let message = match expected {
            Some(expected) => expected.to_owned(),
            None if configuration.is_broken() => format!("not JSON: {message}"),
            None => message.to_owned(),
        };
        (path.to_owned(), message)
    });
    faults.collect()
}

#[cfg(test)]
mod tests;
