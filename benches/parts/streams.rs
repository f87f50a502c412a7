//! What open streams take, and that all of them end well.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::Run;
use crate::bootstrap::Variant;
use crate::envoy::Envoy;
use crate::load::Streams;
use crate::report::Samples;

const STREAMS: [usize; 3] = [1, 100, 10_000];
const EVENTS: usize = 5;
/// Streams before those that are measured.
const WARM: usize = 20;
/// How often few streams are opened, of which single ones drown in what Envoy does beside them.
const REPEATS: usize = 9;

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    // Each stream has two sockets here.
    let most = run
        .effort
        .streams
        .min((run.files as usize).saturating_sub(500) / 2);
    let mut rows = Vec::new();
    for count in STREAMS.map(|count| count.min(most)) {
        let mut alone = f64::NAN;
        for variant in [
            Variant::Alone,
            Variant::Empty,
            Variant::Tollgate,
            Variant::Native,
        ] {
            let envoy = Envoy::start(variant, run.upstream.address, 1, None).await?;
            open(run, &envoy, WARM).await?;
            let mut each = [(); REPEATS].map(|()| [0.0; 3]);
            let repeats = if count < 1_000 { REPEATS } else { 1 };
            for one in each.iter_mut().take(repeats) {
                *one = open(run, &envoy, count).await?;
            }
            let each = |part: usize| {
                Samples(each.iter().take(repeats).map(|one| one[part]).collect()).median()
            };
            let [heap, linear, resident] = [each(0), each(1), each(2)];
            let sum = heap + linear;
            if variant == Variant::Alone {
                alone = sum;
            }
            rows.push(vec![
                format!("{count} open, {}", variant.name()),
                format!("{:.1}", sum / 1024.0),
                format!("{:.1}", (sum - alone) / 1024.0),
                format!("{:.2}", sum / alone),
                format!("{:.1}", linear / 1024.0),
                format!("{:.1}", resident / 1024.0),
            ]);
            if variant == Variant::Tollgate {
                let tokens = envoy
                    .counted("tollgate_tokens_total", r#"type="output""#)
                    .await?;
                let expected = ((WARM + count * repeats) * EVENTS) as f64;
                if tokens != expected {
                    return Err(io::Error::other(format!(
                        "{tokens} tokens were counted of {expected}"
                    )));
                }
            }
            let bytes = json!([heap, linear, resident]);
            let title = "bytes per open stream: heap, linear memory, resident";
            run.report
                .keep(&format!("{title}; {count}, {}", variant.name()), bytes);
        }
    }
    run.report.table(
        "Open streams",
        &[
            "",
            "KiB for each",
            "− alone",
            "÷ alone",
            "of it linear memory",
            "resident",
        ],
        &rows,
    );
    run.report.note("KiB for each: Envoy's own count of its heap, and the linear memory of the VMs, which grows by 64 KiB. Resident memory grows by what was not");
    run.report.note("free before. Every stream came to its end, and Tollgate counted every token of every stream.");
    if most < STREAMS[2] {
        run.report.note(&format!(
            "Not {} at once: the limit of open files is {}, or the run is a quick one.",
            STREAMS[2], run.files
        ));
    }
    Ok(())
}

/// Opens so many streams and brings them to their end. Returns what each took while all were open, in bytes: of Envoy's
/// heap, of linear memory, of resident memory.
async fn open(run: &Run, envoy: &Envoy, count: usize) -> io::Result<[f64; 3]> {
    // Connections of streams before these still have to go.
    sleep(Duration::from_millis(200)).await;
    let before = memory(envoy).await?;
    let streams = Streams::open(envoy.address, &run.upstream.turns, count, EVENTS, false);
    streams.next().await?;
    let after = memory(envoy).await?;
    for _ in 0..3 {
        streams.next().await?;
    }
    streams.finish().await?;
    Ok([0, 1, 2].map(|part| (after[part] - before[part]) / count as f64))
}

async fn memory(envoy: &Envoy) -> io::Result<[f64; 3]> {
    let linear = envoy.process.linear_memories()?.iter().sum::<u64>();
    Ok([
        envoy.allocated().await?,
        linear as f64,
        envoy.process.resident()? as f64,
    ])
}
