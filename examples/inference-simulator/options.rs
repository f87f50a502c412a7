//! The command line.

use std::time::Duration;

const USAGE: &str = "\
A simulated inference server, OpenAI- and Anthropic-shaped.

Usage: inference-simulator [OPTIONS]

  --listen HOST:PORT    address to listen on; port 0 takes a free one [127.0.0.1:8000]
  --model NAME          a model to serve; may be repeated [llama-3.1-8b, qwen-3-32b]
  --token-delay MILLISECONDS
                        pause before each token [30]
  --log                 print the line and the headers of each request
";

pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) models: Vec<String>,
    pub(crate) token_delay: Duration,
    pub(crate) log: bool,
}

impl Options {
    /// Reads the arguments; the error is what to print.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:8000".to_owned(),
            models: Vec::new(),
            token_delay: Duration::from_millis(30),
            log: false,
        };
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value\n\n{USAGE}"))
            };
            match name.as_str() {
                "--listen" => options.listen = value()?,
                "--model" => options.models.push(value()?),
                "--token-delay" => {
                    let milliseconds = value()?.parse().map_err(|_| {
                        format!("--token-delay needs a number of milliseconds\n\n{USAGE}")
                    })?;
                    options.token_delay = Duration::from_millis(milliseconds);
                }
                "--log" => options.log = true,
                "--help" | "-h" => return Err(USAGE.to_owned()),
                _ => return Err(format!("unknown option `{name}`\n\n{USAGE}")),
            }
        }
        if options.models.is_empty() {
            options.models = vec!["llama-3.1-8b".to_owned(), "qwen-3-32b".to_owned()];
        }
        Ok(options)
    }
}
