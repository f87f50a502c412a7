//! The command line of the rate limit server: flags in, one line for each question out.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use tokio::net::TcpListener;
use tollgate_rate_limit::messages::{Code, RateLimitRequest, RateLimitResponse};
use tollgate_rate_limit::{Budgets, serve};

const USAGE: &str = "\
A rate limit server for Envoy, with budgets of tokens in memory: to try and to test with, not for production.

Usage: rate-limit-server [OPTIONS]

  --listen HOST:PORT      address to listen on; port 0 takes a free one [127.0.0.1:8081]
  --tokens-per-minute N   what each tenant may spend in a minute [60]
  --tenant NAME=N         another limit for this tenant; may be repeated
";

struct Options {
    listen: String,
    budgets: Budgets,
}

impl Options {
    /// Reads the arguments; the error is what to print.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut listen = "127.0.0.1:8081".to_owned();
        let mut tokens_per_minute = 60;
        let mut tenants = Vec::new();
        while let Some(name) = arguments.next() {
            let fault = |what: &str| format!("{name} needs {what}\n\n{USAGE}");
            let mut value = || arguments.next().ok_or_else(|| fault("a value"));
            match name.as_str() {
                "--listen" => listen = value()?,
                "--tokens-per-minute" => {
                    tokens_per_minute = value()?.parse().map_err(|_| fault("a number"))?;
                }
                "--tenant" => {
                    let text = value()?;
                    let limit = text.rsplit_once('=').and_then(|(tenant, tokens)| {
                        Some((tenant.to_owned(), tokens.parse().ok()?))
                    });
                    tenants.push(limit.ok_or_else(|| fault("NAME=NUMBER"))?);
                }
                "--help" | "-h" => return Err(USAGE.to_owned()),
                _ => return Err(format!("unknown option `{name}`\n\n{USAGE}")),
            }
        }
        let budgets = tenants.iter().fold(
            Budgets::new(tokens_per_minute),
            |budgets, (name, tokens)| budgets.tenant(name, *tokens),
        );
        Ok(Self { listen, budgets })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            let _ = writeln!(stderr(), "{message}");
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "rate-limit-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Listens, says where on the first line of stdout, and answers until a signal comes.
async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(&options.listen).await?;
    writeln!(stdout(), "listening on {}", listener.local_addr()?)?;
    let server = serve(listener, options.budgets, |request, response| {
        let _ = stdout().write_all(lines(request, response).as_bytes());
    });
    tokio::select! {
        result = server => Ok(result?),
        result = tokio::signal::ctrl_c() => Ok(result?),
    }
}

/// One line for each descriptor: what was asked, and the answer.
fn lines(request: &RateLimitRequest, response: &RateLimitResponse) -> String {
    let pairs = request.descriptors.iter().zip(&response.statuses);
    pairs
        .map(|(descriptor, status)| {
            let entries: Vec<String> = descriptor
                .entries
                .iter()
                .map(|entry| format!("{}={:?}", entry.key, entry.value))
                .collect();
            let asked = match descriptor.hits_addend {
                Some(0) => "asks".to_owned(),
                Some(tokens) => format!("charges {tokens}"),
                None => "charges 1".to_owned(),
            };
            let verdict = match status.code() {
                Code::OverLimit => "over limit",
                Code::Ok | Code::Unknown => "ok",
            };
            let limit = status.current_limit.as_ref();
            let limit = limit.map_or_else(
                || "no limit".to_owned(),
                |limit| {
                    let left = status.limit_remaining;
                    format!("{left} of {} left", limit.requests_per_unit)
                },
            );
            let domain = &request.domain;
            format!(
                "{domain} {} {asked}: {verdict}, {limit}\n",
                entries.join(" ")
            )
        })
        .collect()
}
