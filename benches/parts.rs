//! What is measured, part by part.

mod core;
mod events;
mod keys;
mod limits;
mod requests;
mod start;
mod streams;

use std::io;

use serde_json::{Value, json};

use crate::bootstrap::Variant;
use crate::chance::Chance;
use crate::envoy::Envoy;
use crate::load::Connections;
use crate::machine;
use crate::report::{Report, Samples};
use crate::upstream::Upstream;

/// The parts by the names that the command line takes.
pub(crate) const NAMES: [&str; 7] = [
    "requests", "events", "limits", "start", "keys", "streams", "core",
];

/// How much is done for a number.
pub(crate) struct Effort {
    name: &'static str,
    /// How often all variants are started anew: where an Envoy's memory happens to be makes it a little faster or slower.
    fleets: usize,
    /// Of every variant of a fleet, in random order, after one that is not counted.
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
        fleets: 1,
        rounds: 5,
        requests: 1_600,
        events: 100,
        starts: 1,
        streams: 1_000,
        core: 30,
    };

    pub(crate) const FULL: Self = Self {
        name: "full",
        fleets: 4,
        rounds: 5,
        requests: 4_800,
        events: 200,
        starts: 3,
        streams: 10_000,
        core: 100,
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
        if wanted("limits") {
            limits::measure(&mut self).await?;
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

    /// Adds the µs CPU of a request of each Envoy, in rounds in which they take turns in random order.
    async fn cost_of_requests(
        &mut self,
        fleet: &mut [(Envoy, Connections)],
        cost: &mut [Samples],
    ) -> io::Result<()> {
        let requests = self.effort.requests;
        for round in 0..=self.effort.rounds {
            for turn in self.chance.order(fleet.len()) {
                let (envoy, clients) = &mut fleet[turn];
                let before = envoy.process.cpu()?;
                clients.send(requests).await?;
                let spent = envoy.process.cpu()? - before;
                // In the first round V8 still compiles.
                if round > 0 {
                    cost[turn].push(spent as f64 / requests as f64 / 1e3);
                }
            }
        }
        Ok(())
    }
}

/// A part of the table that compares all variants: the figure, what it is more than with Envoy alone, the ratio to that,
/// and the ratios of what is more to what `yardsticks` are more. Keeps the samples.
fn compare(
    report: &mut Report,
    title: &str,
    unit: &str,
    digits: usize,
    samples: &[Samples],
    yardsticks: &[Variant],
) {
    let alone = &samples[0];
    let more = |variant: Variant| samples[variant as usize].minus(alone);
    let mut columns = vec![
        String::new(),
        unit.to_owned(),
        "− alone".to_owned(),
        "÷ alone".to_owned(),
    ];
    columns.extend(
        yardsticks
            .iter()
            .map(|yardstick| format!("÷ what {} adds", yardstick.name())),
    );
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = Variant::ALL
        .into_iter()
        .map(|variant| {
            let own = &samples[variant as usize];
            report.keep_samples(&format!("{title}: {unit}"), variant.name(), own);
            let mut row = vec![variant.name().to_owned(), own.show(digits)];
            if variant == Variant::Alone {
                row.extend(["".to_owned(), "1.00".to_owned()]);
                row.extend(yardsticks.iter().map(|_| String::new()));
                return row;
            }
            row.push(more(variant).show(digits));
            row.push(format!("{:.2}", own.median() / alone.median()));
            row.extend(yardsticks.iter().map(|&yardstick| {
                let yardstick = more(yardstick);
                // What is not surely more than nothing is no measure of anything.
                if yardstick.quantile(0.25) > 0.0 {
                    format!("{:.2}", more(variant).median() / yardstick.median())
                } else {
                    "–".to_owned()
                }
            }));
            row
        })
        .collect();
    report.table(title, &columns, &rows);
}
