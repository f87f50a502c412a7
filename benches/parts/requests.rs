//! What a request costs: a chat of about 500 bytes with twenty headers, and a small reply that is not streamed.

use std::io;

use serde_json::Value;

use super::{Run, compare};
use crate::bootstrap::Variant;
use crate::load::Connections;
use crate::report::Samples;

const CONNECTIONS: usize = 16;

/// Of every variant.
#[derive(Default)]
struct Costs {
    busy: [Samples; Variant::ALL.len()],
    single: [Samples; Variant::ALL.len()],
    median: [Samples; Variant::ALL.len()],
    slow: [Samples; Variant::ALL.len()],
}

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    let mut costs = Costs::default();
    for _ in 0..run.effort.fleets {
        sample(run, &mut costs).await?;
    }
    let Costs {
        busy,
        single,
        median,
        slow,
    } = costs;
    let report = &mut run.report;
    let empty = [Variant::Empty];
    let title = format!("A request, {CONNECTIONS} connections at once");
    compare(report, &title, "µs CPU of Envoy", 1, &busy, &empty);
    let title = "A request, one connection: nothing is batched, caches are cold";
    compare(report, title, "µs CPU of Envoy", 1, &single, &empty);
    compare(
        report,
        "A request, one connection: median latency for the client",
        "p50 µs",
        0,
        &median,
        &empty,
    );
    compare(
        report,
        "A request, one connection: the slowest in a hundred",
        "p99 µs",
        0,
        &slow,
        &empty,
    );
    run.report.note("The native filters leave out: hashed keys, the model in the body and its rules, strict paths, headers by prefix, usage of replies that");
    run.report.note(
        "are not streamed, asking for usage, metrics by tenant and model, denials with codes.",
    );
    let empty = busy[1].minus(&busy[0]).median();
    let tollgate = busy[2].minus(&busy[0]).median();
    run.report.aim(
        "a request costs at most twice what the empty filter adds",
        &format!("{:.2} times", tollgate / empty),
        tollgate <= 2.0 * empty,
        &host_calls(),
    );
    Ok(())
}

/// What one Envoy of each variant says.
async fn sample(run: &mut Run, costs: &mut Costs) -> io::Result<()> {
    let fleet = run.fleet().await?;
    let count = fleet.len();
    let requests = run.effort.requests;
    let mut many = Vec::new();
    let mut one = Vec::new();
    for envoy in &fleet {
        many.push(Connections::open(envoy.address, CONNECTIONS, None).await?);
        one.push(Connections::open(envoy.address, 1, None).await?);
    }
    for round in 0..=run.effort.rounds {
        for variant in run.chance.order(count) {
            let process = fleet[variant].process;
            let before = process.cpu()?;
            many[variant].send(requests).await?;
            let between = process.cpu()?;
            let times = one[variant].send(requests / 4).await?;
            let after = process.cpu()?;
            // In the first round V8 still compiles.
            if round == 0 {
                continue;
            }
            costs.busy[variant].push((between - before) as f64 / requests as f64 / 1e3);
            costs.single[variant].push((after - between) as f64 / times.len() as f64 / 1e3);
            let times = Samples(times.iter().map(|&time| time as f64 / 1e3).collect());
            costs.median[variant].push(times.quantile(0.5));
            costs.slow[variant].push(times.quantile(0.99));
        }
    }
    let counted = fleet[2]
        .counted("tollgate_requests_total", r#"outcome="ok""#)
        .await?;
    let sent = (run.effort.rounds + 1) * (requests + requests / 4);
    if counted != sent as f64 {
        return Err(io::Error::other(format!(
            "{sent} requests were sent, {counted} counted"
        )));
    }
    Ok(())
}

/// Where the time of a request goes, as far as `tests/host/cost.json` can tell.
fn host_calls() -> String {
    let text = include_str!("../../tests/host/cost.json");
    let cost: Value = serde_json::from_str(text).unwrap_or_default();
    let none = serde_json::Map::new();
    let callbacks = cost["hostCalls"]["allowed chat"]
        .as_object()
        .unwrap_or(&none);
    let each = callbacks.iter().filter_map(|(callback, calls)| {
        let calls: u64 = calls.as_object()?.values().filter_map(Value::as_u64).sum();
        let instructions = cost["instructions"]["allowed chat"][callback].as_u64()?;
        (calls > 0).then(|| format!("{callback} {calls} ({instructions} instructions)"))
    });
    format!(
        "host calls of an allowed chat by callback: {}",
        each.collect::<Vec<_>>().join(", ")
    )
}
