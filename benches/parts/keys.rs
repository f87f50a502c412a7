//! What many keys cost: for a request, in memory, and until they are loaded.

use std::io;

use super::Run;
use crate::bootstrap::Variant;
use crate::envoy::Envoy;
use crate::load::Connections;
use crate::report::Samples;

const KEYS: [usize; 3] = [10, 1_000, 100_000];
const CONNECTIONS: usize = 16;

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    let upstream = run.upstream.address;
    // CPU until ready, of the empty filter and of Tollgate, which get the same configuration.
    let mut cpu = [
        vec![Samples::default(); KEYS.len()],
        vec![Samples::default(); KEYS.len()],
    ];
    let mut resident = cpu.clone();
    let mut linear = [0; KEYS.len()];
    let mut machines = 1;
    for _ in 0..run.effort.starts {
        for turn in run.chance.order(2 * KEYS.len()) {
            let (size, tollgate) = (turn / 2, turn % 2);
            let variant = [Variant::Empty, Variant::Tollgate][tollgate];
            let envoy = Envoy::start(variant, upstream, 1, Some(KEYS[size])).await?;
            cpu[tollgate][size].push(envoy.ready_cpu as f64 / 1e6);
            resident[tollgate][size].push(envoy.process.resident()? as f64 / 1e6);
            if variant == Variant::Tollgate {
                linear[size] = envoy
                    .process
                    .linear_memories()?
                    .into_iter()
                    .max()
                    .unwrap_or(0);
                machines = envoy.configurations().max(1);
            }
        }
    }
    let cost = requests(run).await?;
    // Of one VM, above that with the fewest keys.
    let loads: Vec<f64> = (0..KEYS.len())
        .map(|size| {
            let more = |size: usize| cpu[1][size].median() - cpu[0][size].median();
            (more(size) - more(0)) / machines as f64
        })
        .collect();
    let bytes = |size: usize| (linear[size] - linear[0]) as f64 / KEYS[size] as f64;
    let rows: Vec<Vec<String>> = (0..KEYS.len())
        .map(|size| {
            let keys = KEYS[size].to_string();
            run.report
                .keep_samples("request cpu by keys", &keys, &cost[size]);
            run.report
                .keep_samples("ready cpu ms by keys, empty", &keys, &cpu[0][size]);
            run.report
                .keep_samples("ready cpu ms by keys, Tollgate", &keys, &cpu[1][size]);
            run.report
                .keep_samples("resident MB by keys", &keys, &resident[1][size]);
            let first = |text: String| if size == 0 { String::new() } else { text };
            vec![
                format!("{keys} keys"),
                cost[size].show(1),
                format!("{:.3}", cost[size].median() / cost[0].median()),
                first(format!("{:.1}", loads[size])),
                format!("{:.1}", resident[1][size].median()),
                first(format!(
                    "{:.1}",
                    resident[1][size].median() - resident[0][size].median()
                )),
                format!("{:.1}", linear[size] as f64 / 1e6),
                first(format!("{:.0}", bytes(size))),
            ]
        })
        .collect();
    run.report.table(
        "Keys",
        &[
            "",
            "µs CPU of a request",
            "÷ 10 keys",
            "ms CPU to load, per VM, − 10 keys",
            "MB resident, 1 worker",
            "− empty filter with the same configuration",
            "MB linear memory of a VM",
            "bytes per key and VM",
        ],
        &rows,
    );
    run.report.keep("linear memory by keys", linear.to_vec());
    run.report.note(&format!("One worker makes {machines} VMs: one that checks, one for the main thread, one for each worker. Linear memory holds the text of the configuration once as well."));
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
        "13 MB of JSON are copied in, parsed, hashed and put into a map, by code that V8 has not optimised yet",
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
async fn requests(run: &mut Run) -> io::Result<Vec<Samples>> {
    let mut fleet = Vec::new();
    for keys in KEYS {
        let envoy = Envoy::start(Variant::Tollgate, run.upstream.address, 1, Some(keys)).await?;
        let clients = Connections::open(envoy.address, CONNECTIONS, Some(keys)).await?;
        fleet.push((envoy, clients));
    }
    let requests = run.effort.requests;
    let mut cost = vec![Samples::default(); fleet.len()];
    for round in 0..=run.effort.rounds {
        for turn in run.chance.order(fleet.len()) {
            let (envoy, clients) = &mut fleet[turn];
            let before = envoy.process.cpu()?;
            clients.send(requests).await?;
            let spent = envoy.process.cpu()? - before;
            if round > 0 {
                cost[turn].push(spent as f64 / requests as f64 / 1e3);
            }
        }
    }
    Ok(cost)
}
