//! What many keys cost: for a request, in memory, and until they are loaded.

use std::io;

use super::Run;
use crate::bootstrap::Variant;
use crate::envoy::Envoy;
use crate::load::Connections;
use crate::report::Samples;

const KEYS: [usize; 3] = [10, 1_000, 100_000];
/// VMs of an Envoy with one worker: one that checks, the main thread's, the worker's.
const MACHINES: usize = 3;
const CONNECTIONS: usize = 16;

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    let upstream = run.upstream.address;
    // What the worker spends until it is configured: no other work is in it, and no compilation.
    let mut load = vec![Samples::default(); KEYS.len()];
    let mut resident = [load.clone(), load.clone()];
    let mut linear = [0; KEYS.len()];
    for _ in 0..run.effort.starts {
        for turn in run.chance.order(2 * KEYS.len()) {
            let (size, tollgate) = (turn / 2, turn % 2);
            let variant = [Variant::Empty, Variant::Tollgate][tollgate];
            let envoy = Envoy::start(variant, upstream, 1, Some(KEYS[size])).await?;
            if variant == Variant::Tollgate {
                envoy.configured(MACHINES).await?;
                load[size].push(envoy.process.cpu_of("wrk:")? as f64 / 1e6);
                let memories = envoy.process.linear_memories()?;
                linear[size] = memories.into_iter().max().unwrap_or(0);
            }
            resident[tollgate][size].push(envoy.process.resident()? as f64 / 1e6);
        }
    }
    let mut cost = vec![Samples::default(); KEYS.len()];
    for _ in 0..run.effort.fleets {
        requests(run, &mut cost).await?;
    }
    let loads = load
        .iter()
        .map(|own| own.median() - load[0].median())
        .collect::<Vec<_>>();
    let bytes = |size: usize| (linear[size] - linear[0]) as f64 / KEYS[size] as f64;
    let rows: Vec<Vec<String>> = (0..KEYS.len())
        .map(|size| {
            let keys = KEYS[size].to_string();
            run.report
                .keep_samples("request cpu by keys", &keys, &cost[size]);
            run.report.keep_samples(
                "worker cpu ms until configured, by keys",
                &keys,
                &load[size],
            );
            run.report
                .keep_samples("resident MB by keys, empty", &keys, &resident[0][size]);
            run.report
                .keep_samples("resident MB by keys", &keys, &resident[1][size]);
            let first = |text: String| if size == 0 { String::new() } else { text };
            let (own, empty) = (resident[1][size].median(), resident[0][size].median());
            vec![
                format!("{keys} keys"),
                cost[size].show(1),
                format!("{:.3}", cost[size].median() / cost[0].median()),
                load[size].show(0),
                format!("{own:.1}"),
                format!("{:.1}", own - empty),
                format!("{:.1}", linear[size] as f64 / 1e6),
                first(format!("{:.0}", bytes(size))),
            ]
        })
        .collect();
    run.report.table(
        "Keys, one worker",
        &[
            "",
            "µs CPU of a request",
            "÷ 10 keys",
            "ms CPU to configure a VM",
            "MB resident",
            "− empty",
            "MB linear memory",
            "bytes per key",
        ],
        &rows,
    );
    run.report.note("− empty: the empty filter with the same configuration, which Envoy itself keeps too. Linear memory and bytes per key are those of one VM; one worker");
    run.report.note("makes three VMs, of which one only checks the configuration. The memory has held the text of the configuration once, and never shrinks.");
    run.report.keep("linear memory by keys", linear.to_vec());
    let flat = cost[2].median() / cost[0].median();
    run.report.aim(
        "a request costs the same within 5 % with 100,000 keys",
        &format!("{:+.1} %", (flat - 1.0) * 100.0),
        flat < 1.05,
        "the look-up touches memory that is in no cache; by instructions it is the same (tests/host/many_keys.rs)",
    );
    run.report.aim(
        "100,000 keys are loaded below 100 ms in each VM",
        &format!("{:.0} ms", loads[2]),
        loads[2] < 100.0,
        "13 MB of JSON are copied in, hashed, parsed, and put into a map",
    );
    run.report.aim(
        "a key takes below 300 bytes of linear memory in each VM",
        &format!("{:.0} bytes", bytes(2)),
        bytes(2) < 300.0,
        "about 130 bytes of it are its part of the JSON text",
    );
    Ok(())
}

/// What a request costs, with any of the keys.
async fn requests(run: &mut Run, cost: &mut [Samples]) -> io::Result<()> {
    let mut fleet = Vec::new();
    for keys in KEYS {
        let envoy = Envoy::start(Variant::Tollgate, run.upstream.address, 1, Some(keys)).await?;
        let clients = Connections::open(envoy.address, CONNECTIONS, Some(keys)).await?;
        fleet.push((envoy, clients));
    }
    run.cost_of_requests(&mut fleet, cost).await
}
