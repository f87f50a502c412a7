//! The command line of the rate limit server: flags in, one line for each question out.

use std::fs;
use std::future::ready;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tollgate_rate_limit::messages::{Code, RateLimitRequest, RateLimitResponse};
use tollgate_rate_limit::{Budgets, Descriptors, serve};

const USAGE: &str = "\
A rate limit server for Envoy that keeps what is spent in memory: to try and to test with, not for production.

Usage: rate-limit-server [OPTIONS]

  --listen HOST:PORT  address to listen on; port 0 takes a free one [127.0.0.1:8081]
  --config FILE       the limits, as envoyproxy/ratelimit reads them [examples/rate-limit/config/tollgate.yaml]
";

struct Options {
    listen: String,
    config: String,
}

impl Options {
    /// Reads the arguments; the error is what to print.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:8081".to_owned(),
            config: "examples/rate-limit/config/tollgate.yaml".to_owned(),
        };
        while let Some(name) = arguments.next() {
            let place = match name.as_str() {
                "--listen" => &mut options.listen,
                "--config" => &mut options.config,
                "--help" | "-h" => return Err(USAGE.to_owned()),
                _ => return Err(format!("unknown option `{name}`\n\n{USAGE}")),
            };
            let value = arguments.next();
            *place = value.ok_or_else(|| format!("{name} needs a value\n\n{USAGE}"))?;
        }
        Ok(options)
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
    let Options { listen, config } = options;
    let file = fs::read_to_string(&config).map_err(|error| format!("{config}: {error}"))?;
    let limits = Descriptors::read(&file).map_err(|fault| format!("{config}: {fault}"))?;
    let listener = TcpListener::bind(&listen).await?;
    writeln!(stdout(), "listening on {}", listener.local_addr()?)?;
    let budgets = Mutex::new(Budgets::new(limits));
    let server = serve(listener, move |request| {
        // Held while it is told, so that the order is that of the bookings.
        let mut budgets = budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let response = budgets.answer(&request, now.map_or(0, |now| now.as_secs()));
        let _ = stdout().write_all(lines(&request, &response).as_bytes());
        ready(Ok(response))
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
