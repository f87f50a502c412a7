//! `tollgate limits`: the limits of a configuration, for another keeper.

mod engine;
mod envoy;
mod export;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Serialize, Serializer};
use tollgate::access::ModelHeader;
use tollgate::policy::Policy;

use self::export::Export;
use crate::check::environment::Variables;
use crate::check::{self, Finding, Severity};
use crate::output::{Failure, Output, Verdict};
use crate::source::File;
use crate::yaml::{self, Node};

/// Hand the limits of a configuration to a rate limit service.
#[derive(Subcommand)]
pub(crate) enum Task {
    Export(Arguments),
}

/// Print the limits of a configuration for envoyproxy/ratelimit, so that several gateways share them.
///
/// There are two sides, made from the same limits: the service's file, and the HTTP filters of Envoy with what they ask and
/// charge. What the service cannot keep is a fault, with its place and a way out. If there is a fault, nothing else is
/// printed, and the exit code is 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate limits export engine tollgate.yaml > config/tollgate.yaml
  tollgate limits export envoy tollgate.yaml --limit day --limit month")]
pub(crate) struct Arguments {
    /// Which side
    side: Side,
    /// The file with the configuration, in any form that `check` reads; `-` is standard input
    file: PathBuf,
    /// Only this limit, by its id; can be repeated. The others stay with the proxies
    #[arg(long = "limit", value_name = "ID")]
    limits: Vec<String>,
    /// Take the windows of the service where they differ: `minute` and `hour` start anew with the clock, and `month` is 30
    /// days, counted from 1970
    #[arg(long)]
    engine_windows: bool,
    /// The name under which the service keeps the limits
    #[arg(long, value_name = "NAME", default_value = "tollgate")]
    domain: String,
    /// Envoy's cluster of the service
    #[arg(long, value_name = "NAME", default_value = "rate-limit")]
    cluster: String,
    #[command(flatten)]
    variables: Variables,
}

/// Who is to read it.
#[derive(Clone, Copy, ValueEnum)]
enum Side {
    /// The file that envoyproxy/ratelimit reads
    Engine,
    /// `http_filters`, and the `typed_per_filter_config` of the route
    Envoy,
}

/// YAML, or with `--json` the same as JSON.
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.trim_end())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document: Option<Rc<Node>> = yaml::read(&self.0).0.into_iter().next();
        document.as_deref().serialize(serializer)
    }
}

pub(crate) fn run(task: &Task, output: &mut Output) -> Result<Verdict, Failure> {
    let Task::Export(arguments) = task;
    let gateway = arguments.variables.gateway()?;
    let file = File::read(&arguments.file)?;
    let refuse = |faults: Vec<Finding>, output: &mut Output| {
        faults
            .iter()
            .for_each(|fault| output.fault(&fault.to_string()));
        Ok(Verdict::Bad)
    };
    if !file.flaws.is_empty() {
        return refuse(check::flaws(&file), output);
    }
    let [configuration] = file.configurations.as_slice() else {
        return Err(file.not_one());
    };
    let policy = match check::compiled(&file, configuration, &gateway) {
        Ok(policy) => policy,
        Err(faults) => return refuse(faults, output),
    };
    let export = Export {
        policy: &policy,
        only: &arguments.limits,
        engine_windows: arguments.engine_windows,
        domain: &arguments.domain,
    };
    match export.limits(&configuration.text) {
        Ok(limits) => {
            let text = match arguments.side {
                Side::Engine => engine::text(&arguments.domain, &limits),
                Side::Envoy => envoy::text(arguments, model_header(&policy), &limits),
            };
            output.say(&Text(text))?;
            Ok(Verdict::Good)
        }
        Err(faults) => {
            let faults = faults.into_iter().map(|(path, message)| {
                let line = configuration.line_of(&path);
                Finding::new(Severity::Fault, &file, line, path, message)
            });
            refuse(faults.collect(), output)
        }
    }
}

fn model_header(policy: &Policy) -> &ModelHeader {
    &policy.access.model_header
}

/// A text as YAML has it in quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
