//! What limits cost: a request without any, with one and with three, in interleaved rounds.

use std::io;

use super::Run;
use crate::bootstrap::Variant;
use crate::envoy::Envoy;
use crate::load::Connections;
use crate::report::Samples;

const VARIANTS: [Variant; 3] = [Variant::Tollgate, Variant::OneLimit, Variant::ThreeLimits];
const CONNECTIONS: usize = 16;

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    let mut cost = vec![Samples::default(); VARIANTS.len()];
    for _ in 0..run.effort.fleets {
        sample(run, &mut cost).await?;
    }
    let more = |index: usize| cost[index].minus(&cost[0]);
    let rows: Vec<Vec<String>> = VARIANTS
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            run.report
                .keep_samples("request cpu by limits", variant.name(), &cost[index]);
            let ratio = cost[index].median() / cost[0].median();
            let mut row = vec![variant.name().to_owned(), cost[index].show(1)];
            if index > 0 {
                row.extend([more(index).show(1), format!("{ratio:.3}")]);
            }
            row
        })
        .collect();
    run.report.table(
        &format!("Limits, {CONNECTIONS} connections at once"),
        &["", "µs CPU of a request", "− none", "÷ none"],
        &rows,
    );
    for (index, most) in [(1, 3.0), (2, 8.0)] {
        let more = more(index).median();
        run.report.aim(
            &format!("{} adds at most {most} µs to a request", VARIANTS[index].name()),
            &format!("{more:.1} µs"),
            more <= most,
            "each entry of the store is read and written twice: before the request goes on, and when it is over",
        );
    }
    Ok(())
}

async fn sample(run: &mut Run, cost: &mut [Samples]) -> io::Result<()> {
    let mut fleet = Vec::new();
    for variant in VARIANTS {
        let envoy = Envoy::start(variant, run.upstream.address, 1, None).await?;
        let clients = Connections::open(envoy.address, CONNECTIONS, None).await?;
        fleet.push((envoy, clients));
    }
    run.cost_of_requests(&mut fleet, cost).await
}
