//! `tollgate explain`: shows what the filter would do with a request, and why.
//!
//! The request passes through the filter's own functions, in their order. The reasons shown with their verdict come
//! from the same policy, so nothing is decided here.

mod advice;
mod model;
mod report;
mod request;
mod secrets;
mod who;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use tollgate::access::{Mode, Permit};
use tollgate::denial::Denial;
use tollgate::exchange::{Body, Exchange, Offline, Step};
use tollgate::model_name::ModelName;
use tollgate::operation::Operation;
use tollgate::policy::Policy;

use self::report::Report;
use self::request::Request;
use self::secrets::Hiding;
use crate::check::environment::{Gateway, Variables};
use crate::check::{self, Finding};
use crate::key;
use crate::output::{Failure, Output, Verdict};
use crate::source::File;

/// Explain what the filter does with a request, and why.
///
/// Exits with 0 if the request passes, 1 if it is denied, and 2 if that cannot be determined.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate explain wasmplugin.yaml --key-stdin --model llama-3.1-8b < key
  tollgate explain wasmplugin.yaml --claims payload.json --model llama-3.1-8b
  tollgate explain wasmplugin.yaml --method GET --path /v1/models --key-stdin < key")]
pub(crate) struct Arguments {
    /// The file with the configuration, in any form that `check` reads; `-` is standard input
    pub(crate) file: PathBuf,
    /// Read the caller's key from standard input.
    ///
    /// A key cannot be an argument, because other users of the machine could see it
    #[arg(long, conflicts_with = "proof_stdin")]
    pub(crate) key_stdin: bool,
    /// The payload of the caller's token, as JSON. It is treated as verified: the signature is not checked
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
    /// The key under which `jwt_authn` stores the payload (`payload_in_metadata`).
    ///
    /// Default: the key that the configuration has for this issuer
    #[arg(long, value_name = "KEY", requires = "claims")]
    pub(crate) metadata_key: Option<String>,
    /// Read the secret of the gateway in front (`trustedHeaders.proof`) from standard input
    #[arg(long)]
    pub(crate) proof_stdin: bool,
    /// A name in the caller's verified client certificate (`trustedHeaders.proof`)
    #[arg(long, value_name = "NAME")]
    pub(crate) certificate_name: Option<String>,
    /// The model in the body
    #[arg(long, conflicts_with = "body")]
    pub(crate) model: Option<String>,
    /// The path, with its query
    #[arg(long, default_value = "/v1/chat/completions")]
    pub(crate) path: String,
    /// The method
    #[arg(long, default_value = "POST")]
    pub(crate) method: String,
    /// A further header, `name: value`; can be repeated
    #[arg(long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// A file with the whole body, instead of a body with only the model
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// The body requests a stream
    #[arg(long, conflicts_with = "body")]
    pub(crate) stream: bool,
    /// The time of the request (RFC 3339). Default: now
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    variables: Variables,
    /// Accepted only to be refused without repeating the value
    #[arg(long, hide = true)]
    pub(crate) key: Option<OsString>,
    /// Accepted only to be refused without repeating the value
    #[arg(hide = true)]
    pub(crate) others: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    if arguments.key.is_some() {
        return Err(request::no_secret_arguments("--key"));
    }
    if !arguments.others.is_empty() {
        return Err(request::no_secret_arguments("a second argument"));
    }
    let reads_secret = arguments.key_stdin || arguments.proof_stdin;
    if reads_secret && arguments.file == Path::new("-") {
        return Err(Failure::new(
            "standard input cannot be both the configuration and a secret",
        ));
    }
    let gateway = arguments.variables.gateway()?;
    let file = File::read(&arguments.file)?;
    let (policy, assumed) = policy(&file, &gateway)?;
    for path in assumed {
        output.warn(&format!(
            "{path}: the gateway's value of this variable is not known here; see `--env-file` and `--environment`"
        ));
    }
    let (report, secrets) = answer(arguments, policy, &key::from_stdin)?;
    let verdict = if report.is_allowed() {
        Verdict::Good
    } else {
        Verdict::Bad
    };
    output.say(&Hiding::new(report, secrets))?;
    Ok(verdict)
}

/// The policy of the single configuration in a file, and the paths that name a variable with an unknown value.
///
/// Fails if `check` would find faults.
fn policy(file: &File, gateway: &Gateway) -> Result<(Policy, Vec<String>), Failure> {
    let name = &file.name;
    let refused = |faults: Vec<Finding>| {
        let faults: Vec<String> = faults.iter().map(Finding::to_string).collect();
        let faults = faults.join("\n");
        Failure::new(format!(
            "{name}: the filter refuses this configuration\n{faults}"
        ))
    };
    if !file.flaws.is_empty() {
        return Err(refused(check::flaws(file)));
    }
    let [configuration] = file.configurations.as_slice() else {
        return Err(file.not_one());
    };
    let policy = check::compiled(file, configuration, gateway).map_err(refused)?;
    Ok((policy, gateway.assumes(configuration)))
}

/// The answer, and the secrets that must not be printed with it. `secret` reads the secret on standard input.
fn answer(
    arguments: &Arguments,
    policy: Policy,
    secret: &dyn Fn() -> Result<Vec<u8>, Failure>,
) -> Result<(Report, Vec<String>), Failure> {
    let request = Request::new(arguments, &policy, secret)?;
    let report = explain(&request, policy);
    Ok((report, request.into_secrets()))
}

/// The outcome of a request.
struct Passage {
    operation: Option<Operation>,
    /// The model for which the request was allowed or refused.
    model: Option<ModelName>,
    /// True if the filter requests usage from the server and hides it from the client.
    hides_usage: bool,
    headers: report::Headers,
    /// What is set aside with each limit.
    limits: Vec<report::Held>,
    denial: Option<Denial>,
}

fn explain(request: &Request, policy: Policy) -> Report {
    let mode = policy.access.mode;
    let mut policy = Rc::new(policy);
    let passage = pass(request, &policy);
    // This mode refuses what the other modes let pass. No exchange uses the policy any more.
    if let Some(policy) = Rc::get_mut(&mut policy) {
        policy.access.mode = Mode::Enforce;
    }
    let enforced = match mode {
        Mode::Enforce => None,
        Mode::Audit | Mode::Open => pass(request, &policy).denial,
    };
    Report::new(request, &policy, mode, &passage, enforced)
}

/// Sends the request through an exchange, as the filter does.
fn pass(request: &Request, policy: &Rc<Policy>) -> Passage {
    let attributes = |path: &[&str]| request.attribute(path);
    let host = Offline::new(request.headers(), request.time(), &attributes);
    let mut exchange = Exchange::new(Some(Rc::clone(policy)));
    let has_body = request.has_body();
    if exchange.request_headers(&host, !has_body) == Step::Continue && has_body {
        let size = host.put_frame(Body::Request, request.body());
        exchange.request_body(&host, size, true);
    }
    let permit = exchange.permit();
    let allowed = permit.and_then(Permit::model);
    let refused = exchange.denial().and_then(Denial::model);
    Passage {
        operation: exchange.operation(),
        model: allowed.or(refused).cloned(),
        hides_usage: permit.is_some_and(Permit::hides_usage),
        headers: report::Headers::of(&host.changes(), request),
        limits: exchange
            .holds()
            .into_iter()
            .flat_map(|holds| policy.limits.held(holds))
            .map(|(limit, amount)| report::Held::new(limit, amount))
            .collect(),
        denial: exchange.denial().cloned(),
    }
}

#[cfg(test)]
mod tests;
