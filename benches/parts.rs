//! What is measured, part by part.

mod core;
mod events;
mod keys;
mod requests;
mod start;
mod streams;

use std::io;

use serde_json::{Value, json};

use crate::bootstrap::Variant;
use crate::chance::Chance;
use crate::envoy::Envoy;
use crate::machine;
use crate::report::{Report, Samples};
use crate::upstream::Upstream;

/// The parts by the names that the command line takes.
pub(crate) const NAMES: [&str; 6] = ["requests", "events", "start", "keys", "streams", "core"];

/// How much is done for a number.
pub(crate) struct Effort {
    name: &'static str,
    /// Of every variant, in random order.
    rounds: usize,
    /// In a round of a variant.
    requests: usize,
    /// In each of the streams of a round.
    events: usize,
    /// How often an Envoy is started to see how long that takes.
    starts: usize,
    /// Most streams that are opened at once.
    streams: usize,
    /// Milliseconds for one round of a measurement of the core.
    core: u64,
}

impl Effort {
    pub(crate) const QUICK: Self = Self {
        name: "quick",
        rounds: 5,
        requests: 3_200,
        events: 100,
        starts: 2,
        streams: 1_000,
        core: 50,
    };

    pub(crate) const FULL: Self = Self {
        name: "full",
        rounds: 15,
        requests: 16_000,
        events: 400,
        starts: 5,
        streams: 10_000,
        core: 200,
    };
}

/// One run.
pub(crate) struct Run {
    effort: Effort,
    report: Report,
    upstream: Upstream,
    chance: Chance,
    /// How many files may be open.
    files: u64,
}

impl Run {
    pub(crate) async fn start(effort: Effort) -> io::Result<Self> {
        let files = machine::raise_open_files(effort.streams as u64 * 2 + 1_000);
        let cores = machine::cores();
        let pinned = machine::on_loads_core();
        let upstream = Upstream::start().await?;
        let version = Envoy::start(Variant::Alone, upstream.address, 1, None)
            .await?
            .version()
            .await?;
        let mut report = Report::default();
        let places = if pinned {
            "Envoy on one, all else on another"
        } else {
            "nothing pinned"
        };
        report.table(
            &format!(
                "Envoy {version}, {cores} cores ({places}), load before {}, {}",
                machine::load(),
                effort.name
            ),
            &["Medians, with the middle half of the samples in brackets. Absolute figures are of this machine; ratios carry over."],
            &[],
        );
        report.keep("machine", json!({"envoy": version, "cores": cores, "load": machine::load(), "effort": effort.name}));
        Ok(Self {
            effort,
            report,
            upstream,
            chance: Chance::new(u64::from(std::process::id())),
            files,
        })
    }

    /// Does the chosen parts, all if none is.
    pub(crate) async fn parts(mut self, chosen: &[&str]) -> io::Result<(String, Value)> {
        let wanted = |name| chosen.is_empty() || chosen.contains(&name);
        if wanted("requests") {
            requests::measure(&mut self).await?;
        }
        if wanted("events") {
            events::measure(&mut self).await?;
        }
        if wanted("start") {
            start::measure(&mut self).await?;
        }
        if wanted("keys") {
            keys::measure(&mut self).await?;
        }
        if wanted("streams") {
            streams::measure(&mut self).await?;
        }
        if wanted("core") {
            core::measure(&mut self);
        }
        self.report.keep("load after", machine::load());
        Ok(self.report.finish())
    }

    /// One Envoy for each variant.
    async fn fleet(&self) -> io::Result<Vec<Envoy>> {
        let mut fleet = Vec::new();
        for variant in Variant::ALL {
            fleet.push(Envoy::start(variant, self.upstream.address, 1, None).await?);
        }
        Ok(fleet)
    }
}

/// Rows of a comparison of all variants: the figure, what it is more than Envoy alone, and the ratios.
fn compare(samples: &[Samples], against: Variant, digits: usize) -> Vec<Vec<String>> {
    let alone = &samples[0];
    let index = Variant::ALL.iter().position(|&variant| variant == against);
    let yardstick = index.map_or(f64::NAN, |index| samples[index].minus(alone).median());
    Variant::ALL
        .iter()
        .zip(samples)
        .map(|(variant, own)| {
            let more = own.minus(alone);
            let mut row = vec![variant.name().to_owned(), own.show(digits)];
            if *variant == Variant::Alone {
                row.extend(["", "1.00", ""].map(str::to_owned));
            } else {
                row.push(more.show(digits));
                row.push(format!("{:.2}", own.median() / alone.median()));
                row.push(format!("{:.2}", more.median() / yardstick));
            }
            row
        })
        .collect()
}
