//! What an event of a stream costs: about 200 bytes, one write and one read each.

use std::io;

use super::{Run, compare};
use crate::bootstrap::Variant;
use crate::load::Streams;
use crate::report::Samples;
use crate::upstream;

const STREAMS: usize = 64;

/// Of every variant, for clients that do not ask for usage and for those that do.
type Costs = [[Samples; Variant::ALL.len()]; 2];

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    let mut costs = Costs::default();
    for _ in 0..run.effort.fleets {
        sample(run, &mut costs).await?;
    }
    for (asks, samples) in ["not asked for", "asked for"].iter().zip(&costs) {
        let length = upstream::delta(" the").len();
        compare(
            &mut run.report,
            &format!(
                "An event of {length} bytes, {STREAMS} streams at once, usage {asks} by the client"
            ),
            "µs CPU of Envoy",
            2,
            samples,
            &[Variant::Empty, Variant::SseToMetadata],
        );
        let more = |variant: usize| samples[variant].minus(&samples[0]).median();
        run.report.aim(
            &format!("an event costs at most half of what sse_to_metadata adds, usage {asks}"),
            &format!("{:.2} times", more(2) / more(4)),
            more(2) <= more(4) / 2.0,
            &format!(
                "{:.2} µs of it are the callback as such (the empty filter); the rest is one host call, its copy, and about 1,900 instructions",
                more(1)
            ),
        );
    }
    Ok(())
}

/// What one Envoy of each variant says.
async fn sample(run: &mut Run, costs: &mut Costs) -> io::Result<()> {
    let fleet = run.fleet().await?;
    let count = fleet.len();
    let events = run.effort.events;
    for round in 0..=run.effort.rounds {
        for turn in run.chance.order(2 * count) {
            let (variant, asks) = (turn / 2, turn % 2 == 1);
            let envoy = &fleet[variant];
            let streams = Streams::open(envoy.address, &run.upstream.turns, STREAMS, events, asks);
            streams.next().await?;
            let before = envoy.process.cpu()?;
            streams.next().await?;
            streams.next().await?;
            let after = envoy.process.cpu()?;
            streams.next().await?;
            streams.finish().await?;
            let asked = asks || Variant::ALL[variant] == Variant::Tollgate;
            if run.upstream.turns.asked() != STREAMS * usize::from(asked) {
                return Err(io::Error::other("usage was not asked for as it should be"));
            }
            if round > 0 {
                let each = (after - before) as f64 / (STREAMS * (events - 1)) as f64 / 1e3;
                costs[usize::from(asks)][variant].push(each);
            }
        }
    }
    let streams = (run.effort.rounds + 1) * 2 * STREAMS;
    let counted = fleet[2]
        .counted("tollgate_tokens_total", r#"type="output""#)
        .await?;
    if counted != (streams * events) as f64 {
        return Err(io::Error::other(format!(
            "{counted} tokens were counted of {}",
            streams * events
        )));
    }
    Ok(())
}
