//! What open streams take, and that all of them end well.

use std::io;

use super::Run;
use crate::bootstrap::Variant;
use crate::envoy::Envoy;
use crate::load::Streams;

const STREAMS: [usize; 3] = [1, 100, 10_000];
const EVENTS: usize = 5;

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    // Each stream has two sockets here.
    let most = run
        .effort
        .streams
        .min((run.files as usize).saturating_sub(500) / 2);
    let mut rows = Vec::new();
    for count in STREAMS.map(|count| count.min(most)) {
        let mut alone = 0.0;
        for variant in [Variant::Alone, Variant::Empty, Variant::Tollgate] {
            let envoy = Envoy::start(variant, run.upstream.address, 1, None).await?;
            open(run, &envoy, 20).await?;
            let (each, linear) = open(run, &envoy, count).await?;
            let mut row = vec![
                format!("{count} streams, {}", variant.name()),
                format!("{:.1}", each / 1024.0),
            ];
            if variant == Variant::Alone {
                alone = each;
            } else {
                row.push(format!("{:.1}", (each - alone) / 1024.0));
                row.push(format!("{:.2}", each / alone));
                row.push(format!("{:.1}", linear / 1024.0));
            }
            if variant == Variant::Tollgate {
                let tokens = envoy
                    .counted("tollgate_tokens_total", r#"type="output""#)
                    .await?;
                let expected = ((20 + count) * EVENTS) as f64;
                if tokens != expected {
                    return Err(io::Error::other(format!(
                        "{tokens} tokens were counted of {expected}"
                    )));
                }
            }
            run.report.keep(
                &format!("bytes per open stream, {count}, {}", variant.name()),
                each,
            );
            rows.push(row);
        }
    }
    run.report.table(
        "Open streams",
        &[
            "",
            "KiB resident for each",
            "− alone",
            "÷ alone",
            "of it linear memory",
        ],
        &rows,
    );
    run.report.note("Every stream came to its end, and every token of every stream was counted. With few streams, pages and not streams are seen.");
    Ok(())
}

/// Opens so many streams and brings them to their end. Returns what each took while all were open, in bytes: of resident
/// memory, and of linear memory.
async fn open(run: &Run, envoy: &Envoy, count: usize) -> io::Result<(f64, f64)> {
    let linear = || {
        envoy
            .process
            .linear_memories()
            .map(|all| all.iter().sum::<u64>() as f64)
    };
    let before = (envoy.process.resident()? as f64, linear()?);
    let streams = Streams::open(envoy.address, &run.upstream.turns, count, EVENTS, false);
    streams.next().await?;
    let after = (envoy.process.resident()? as f64, linear()?);
    for _ in 0..3 {
        streams.next().await?;
    }
    streams.finish().await?;
    let each = |before: f64, after: f64| (after - before) / count as f64;
    Ok((each(before.0, after.0), each(before.1, after.1)))
}
