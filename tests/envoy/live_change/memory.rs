//! What many changes cost in memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::{served_during, status};
use crate::harness::demo::{config, key_hash};
use crate::harness::{Gateway, eventually};

const KEYS: usize = 2_000;
/// After these changes the allocators of Envoy and of the module have found their level.
const WARM_UP: usize = 40;
const CHANGES: usize = 200;
/// If every change left behind half of its configuration (240 KB of JSON), it would be twice as much.
const MOST_GROWTH_IN_BYTES: u64 = 12 << 20;

/// The demo configuration with many more keys.
fn many_keys() -> Value {
    let mut config = config();
    let issued = (0..KEYS).map(|index| {
        json!({
            "id": format!("acme-{index:06}"),
            "tenant": "acme",
            "keyHash": key_hash(&format!("sk-tollgate-acme-{index:06}"))
        })
    });
    config["keys"].as_array_mut().unwrap().extend(issued);
    config
}

#[test]
fn memory_stays_level_over_200_changes() {
    let mut config = many_keys();
    let gateway = Gateway::builder()
        .config(config.clone())
        .discovered()
        .start();
    let newest = |version: usize| format!("sk-tollgate-acme-{version:06}-next");
    let mut change_to = |version: usize| {
        config["keys"][version]["keyHash"] = json!(key_hash(&newest(version)));
        assert_eq!(gateway.publish(&config, version), 0, "refused");
    };
    let mut levels = [0; 2];
    let served = served_during(&gateway, 2, Duration::from_millis(5), || {
        (1..=WARM_UP).for_each(&mut change_to);
        levels[0] = gateway.resident_memory();
        (WARM_UP + 1..=WARM_UP + CHANGES).for_each(&mut change_to);
        levels[1] = gateway.resident_memory();
    });
    let [before, after] = levels;
    println!("{served} requests served; {before} bytes after the warm-up, {after} at the end");
    assert!(served > CHANGES, "only {served} requests met the changes");
    assert!(before > 0, "no process was found");
    assert!(
        after < before + MOST_GROWTH_IN_BYTES,
        "{before} bytes grew to {after}"
    );
    eventually("the last change in the worker", || {
        let status = status(&gateway, &newest(WARM_UP + CHANGES));
        (status == 200)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
}
