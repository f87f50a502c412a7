//! What the filter costs before and beside all requests: time until Envoy is ready, resident memory, size of the module.

use std::fs;
use std::io;

use super::{Run, compare};
use crate::bootstrap::{Variant, empty_filter};
use crate::envoy::Envoy;
use crate::load::Connections;
use crate::report::Samples;

const MB: f64 = 1e6;

pub(super) async fn measure(run: &mut Run) -> io::Result<()> {
    let count = Variant::ALL.len();
    let mut ready = vec![Samples::default(); count];
    let mut resident = vec![Samples::default(); count];
    for _ in 0..run.effort.starts {
        for variant in run.chance.order(count) {
            let upstream = run.upstream.address;
            let envoy = Envoy::start(Variant::ALL[variant], upstream, 1, None).await?;
            ready[variant].push(envoy.ready.as_secs_f64() * 1e3);
            drop(envoy);
            let envoy = Envoy::start(Variant::ALL[variant], upstream, 2, None).await?;
            Connections::open(envoy.address, 32, None)
                .await?
                .send(run.effort.requests)
                .await?;
            resident[variant].push(envoy.process.resident()? as f64 / MB);
        }
    }
    let empty = [Variant::Empty];
    compare(
        &mut run.report,
        "Start",
        "ms until ready",
        0,
        &ready,
        &empty,
    );
    let title = "Memory with two workers, after requests";
    compare(&mut run.report, title, "MB resident", 1, &resident, &empty);
    let more = resident[2].median() - resident[0].median();
    let empty = resident[1].median() - resident[0].median();
    run.report.aim(
        "below 30 MB resident above Envoy with two workers",
        &format!("{more:.1} MB"),
        more < 30.0,
        &format!("{empty:.1} MB of it are V8 and an empty filter in four VMs; of the rest most is heap that V8 has left free after compiling, \
             which Envoy's allocator keeps"),
    );
    module(run)
}

fn module(run: &mut Run) -> io::Result<()> {
    let tollgate = fs::read(tollgate_tests::filter())?;
    let empty = fs::metadata(empty_filter())?.len();
    let [code, data, names] = sections(&tollgate);
    run.report.table(
        "The module",
        &["", "kB", "÷ empty", "code kB", "data kB", "names kB"],
        &[vec![
            "tollgate.wasm".to_owned(),
            format!("{:.0}", tollgate.len() as f64 / 1e3),
            format!("{:.2}", tollgate.len() as f64 / empty as f64),
            format!("{:.0}", code as f64 / 1e3),
            format!("{:.0}", data as f64 / 1e3),
            format!("{:.0}", names as f64 / 1e3),
        ]],
    );
    run.report.keep("module bytes", tollgate.len());
    run.report.aim(
        "the module is below 500 kB",
        &format!("{:.0} kB", tollgate.len() as f64 / 1e3),
        tollgate.len() < 500_000,
        &format!(
            "without the {:.0} kB of function names, which Envoy's backtraces show, it has {:.0} kB",
            names as f64 / 1e3,
            (tollgate.len() - names) as f64 / 1e3
        ),
    );
    Ok(())
}

/// The bytes of code, data and custom sections of a module, of which the function names are nearly all.
fn sections(module: &[u8]) -> [usize; 3] {
    const HEADER: usize = 8;
    let mut sizes = [0; 3];
    let mut at = HEADER;
    while at < module.len() {
        let kind = module[at];
        let (mut size, mut shift) = (0, 0);
        loop {
            at += 1;
            size |= usize::from(module[at] & 0x7f) << shift;
            shift += 7;
            if module[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
        match kind {
            10 => sizes[0] += size,
            11 => sizes[1] += size,
            0 => sizes[2] += size,
            _ => {}
        }
    }
    sizes
}
