//! `tollgate check`: finds out whether the filter will accept a configuration, with the filter's own code.

pub(crate) mod environment;
mod leftovers;
mod placement;
mod report;
mod second_lock;
mod warnings;

use std::path::PathBuf;

use clap::Args;
use tollgate::config::{Fault, compile};
use tollgate::policy::Policy;

use self::environment::{Gateway, Variables};
use self::report::Report;
pub(crate) use self::report::{Finding, Severity};
use self::second_lock::Locks;
use self::warnings::Clock;
use crate::moment::{self, Days};
use crate::output::{Failure, Output, Verdict};
use crate::source::{Configuration, File};

/// Check whether the filter will accept the configurations in some files, and show their faults.
///
/// A file may be a configuration in YAML or JSON, an Istio WasmPlugin, an EnvoyExtensionPolicy, an Envoy bootstrap,
/// listener or extension, or anything that contains one of these. Each fault is one line, `FILE:LINE: path: what is
/// wrong`, and never repeats a value.
///
/// Variables of the gateway's environment (`keysFrom`, `credentials.forward`) are assumed to be set if the manifest
/// passes them on, since their values are secrets of the gateway.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The files to check; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Warn about keys that expire within this many days
    #[arg(long, value_name = "DAYS", default_value = "30d")]
    expiring_within: Days,
    #[command(flatten)]
    variables: Variables,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let gateway = arguments.variables.gateway()?;
    let now = moment::now();
    let clock = Clock {
        now,
        soon: arguments.expiring_within.after(now),
    };
    let mut report = Report::default();
    let mut failures = Vec::new();
    let mut files = Vec::new();
    for path in &arguments.files {
        match File::read(path) {
            Ok(file) => files.push(file),
            Err(failure) => failures.push(failure),
        }
    }
    let locks = Locks::of(&files);
    // A policy is checked together with a configuration.
    let holds_one = |file: &File| !file.configurations.is_empty() || !file.flaws.is_empty();
    let is_any = files.iter().any(holds_one);
    for file in &files {
        let is_beside_one = is_any && file.policies > 0;
        if !holds_one(file) && !is_beside_one {
            let message = format!("{}: contains no configuration of Tollgate", file.name);
            failures.push(Failure::new(message));
        }
        report.add(file, findings(file, &locks, &gateway, clock));
    }
    output.say(&report)?;
    match Failure::all(failures) {
        Some(failure) => Err(failure),
        None if report.is_good(arguments.strict) => Ok(Verdict::Good),
        None => Ok(Verdict::Bad),
    }
}

fn findings(file: &File, locks: &Locks<'_>, gateway: &Gateway, clock: Clock) -> Vec<Finding> {
    let mut findings = flaws(file);
    for configuration in &file.configurations {
        let compiled = compiled(file, configuration, gateway);
        let is_refused = compiled.is_err();
        findings.extend(compiled.err().unwrap_or_default());
        let leftovers = leftovers::warnings(configuration).into_iter();
        for (line, path, message) in leftovers.chain(placement::warnings(configuration)) {
            findings.push(Finding::new(Severity::Warning, file, line, path, message));
        }
        // Warnings would repeat the faults.
        if is_refused {
            continue;
        }
        for (path, message) in warnings::of(&configuration.text, clock) {
            let line = configuration.line_of(&path);
            findings.push(Finding::new(Severity::Warning, file, line, path, message));
        }
        if let Some((severity, path, message)) = locks.findings(configuration) {
            let line = configuration.line_of(path);
            findings.push(Finding::new(severity, file, line, path, message));
        }
        for path in gateway.assumes(configuration) {
            let message =
                "assumed to be set, its value is not checked; see `--env-file` and `--environment`";
            let line = configuration.line_of(&path);
            findings.push(Finding::new(Severity::Note, file, line, path, message));
        }
    }
    for (line, message) in file
        .documents
        .iter()
        .flat_map(|document| leftovers::beside(document))
    {
        findings.push(Finding::new(Severity::Warning, file, line, "", message));
    }
    for (line, name) in &file.others {
        let message = format!("the WebAssembly filter `{name}` is not Tollgate's; not checked");
        findings.push(Finding::new(Severity::Note, file, *line, "", message));
    }
    findings
}

/// The problems that keep a file from being read.
pub(crate) fn flaws(file: &File) -> Vec<Finding> {
    let flaws = file.flaws.iter();
    flaws
        .map(|flaw| Finding::new(Severity::Fault, file, flaw.line, &flaw.path, &flaw.message))
        .collect()
}

/// The filter's policy for a configuration in this file, or all faults of the configuration.
pub(crate) fn compiled(
    file: &File,
    configuration: &Configuration,
    gateway: &Gateway,
) -> Result<Policy, Vec<Finding>> {
    let told = |fault: &Fault| {
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
        // A field that is none is named in the message, and stands on a line of its own.
        let field = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split_once('`'));
        let place = field.map_or_else(|| path.to_owned(), |(name, _)| format!("{path}.{name}"));
        let line = configuration.line_of(&place);
        Finding::new(Severity::Fault, file, line, path, message)
    };
    compile(
        configuration.text.as_bytes(),
        &gateway.seen_by(configuration),
    )
    .map_err(|faults| faults.iter().map(told).collect())
}

#[cfg(test)]
mod tests;
