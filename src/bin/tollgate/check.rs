//! `tollgate check`: whether the filter will take a configuration, by the very code of the filter.

pub(crate) mod environment;
mod report;

use std::path::PathBuf;

use clap::Args;
use tollgate::config::compile;

use self::report::{Finding, Report, Severity};
use crate::output::{Failure, Output, Verdict};
use crate::source::{Configuration, File};

/// Say whether the filter will take the configurations in some files, and what is wrong with them.
///
/// A file may be a configuration as YAML or JSON, an Istio WasmPlugin, an EnvoyExtensionPolicy, a bootstrap, listener or
/// extension of Envoy, or anything that holds one of these.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What to look at; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let mut report = Report::default();
    let mut failures = Vec::new();
    for path in &arguments.files {
        match File::read(path) {
            Ok(file) => {
                if let Some(failure) = check(&file, &mut report) {
                    failures.push(failure);
                }
            }
            Err(failure) => failures.push(failure),
        }
    }
    output.say(&report)?;
    match Failure::all(failures) {
        Some(failure) => Err(failure),
        None if report.is_good() => Ok(Verdict::Good),
        None => Ok(Verdict::Bad),
    }
}

/// Adds what was found in a file to the report, and says so where there is nothing to look at.
fn check(file: &File, report: &mut Report) -> Option<Failure> {
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
        for (path, message) in faults(configuration) {
            let line = configuration.line_of(&path);
            find(Severity::Fault, line, &path, &message);
        }
    }
    for (line, name) in &file.others {
        let message =
            format!("the WebAssembly filter `{name}` is none of Tollgate's; not looked at");
        find(Severity::Note, *line, "", &message);
    }
    let nothing = file.configurations.is_empty() && file.flaws.is_empty();
    report.add(file, findings);
    nothing.then(|| Failure::new(format!("{}: holds no configuration of Tollgate", file.name)))
}

fn faults(configuration: &Configuration) -> Vec<(String, String)> {
    let environment = environment::of(configuration);
    let compiled = compile(configuration.text.as_bytes(), &environment);
    let faults = compiled.err().unwrap_or_default();
    let faults = faults.iter();
    faults
        .map(|fault| (fault.path().to_owned(), fault.message().to_owned()))
        .collect()
}
