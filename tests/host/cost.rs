//! What a request costs, pinned: host calls exactly, instructions of the guest within a tenth.
//!
//! Both tables lie in `cost.json`. `TOLLGATE_ACCEPT=1 cargo test -p tollgate-tests --test host cost` writes them anew;
//! the difference is then read in review like any other change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::abi::Callback;
use crate::scenarios::{ALL, Scenario, warm_host};

/// What the allocator may take more or less in a callback, depending on which blocks happen to be free.
const ALLOCATOR: u64 = 200;

/// By scenario and callback (a number behind the name tells repeated callbacks apart).
type Table<T> = BTreeMap<String, BTreeMap<String, T>>;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    /// Host calls by name.
    host_calls: Table<BTreeMap<String, u32>>,
    /// Wasm instructions, counted by wasmtime's fuel. They depend on the module alone, not on the machine.
    instructions: Table<u64>,
}

impl Cost {
    fn measure() -> Self {
        let mut cost = Self::default();
        for scenario in &ALL {
            let mut calls = BTreeMap::new();
            let mut instructions = BTreeMap::new();
            for (name, step) in named_steps(scenario) {
                calls.insert(
                    name.clone(),
                    step.calls
                        .iter()
                        .map(|(call, count)| ((*call).to_owned(), *count))
                        .collect(),
                );
                instructions.insert(name, step.instructions);
            }
            cost.host_calls.insert(scenario.name.to_owned(), calls);
            cost.instructions
                .insert(scenario.name.to_owned(), instructions);
        }
        cost
    }
}

#[test]
fn makes_exactly_the_host_calls_of_the_table() {
    let measured = Cost::measure();
    let pinned = pinned();
    for (name, calls) in &measured.host_calls {
        assert_eq!(
            Some(calls),
            pinned.host_calls.get(name),
            "{name}: accept with TOLLGATE_ACCEPT=1"
        );
    }
    assert!(
        measured.host_calls.keys().eq(pinned.host_calls.keys()),
        "the table has other scenarios"
    );
}

#[test]
fn takes_at_most_a_tenth_more_instructions_than_the_table_says() {
    let measured = Cost::measure();
    let pinned = pinned();
    let mut risen = Vec::new();
    for (name, steps) in &measured.instructions {
        for (step, &count) in steps {
            let allowed = pinned
                .instructions
                .get(name)
                .and_then(|steps| steps.get(step))
                .copied()
                .unwrap_or_default();
            if count > allowed + allowed / 10 + ALLOCATOR {
                risen.push(format!(
                    "{name}, {step}: {count} instructions, {allowed} in the table"
                ));
            }
        }
    }
    assert!(
        risen.is_empty(),
        "{}\naccept with TOLLGATE_ACCEPT=1 cargo test -p tollgate-tests --test host cost",
        risen.join("\n")
    );
}

#[test]
fn takes_the_same_instructions_for_the_same_request_in_a_new_vm() {
    assert_eq!(Cost::measure(), Cost::measure());
}

/// Within one VM the allocator and the hash maps are never twice in the same state, so the counts only come close.
#[test]
fn takes_nearly_the_same_instructions_for_the_same_request_in_one_vm() {
    for scenario in &ALL {
        let mut host = warm_host(scenario);
        let mut total = || {
            let steps = scenario.run(&mut host).steps;
            steps.iter().map(|step| step.instructions).sum::<u64>()
        };
        let counts: Vec<u64> = (0..50).map(|_| total()).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        let (least, most) = (least.expect("fifty"), most.expect("fifty"));
        assert!(
            most - least < least / 20,
            "{}: from {least} to {most} instructions",
            scenario.name
        );
    }
}

/// The budget of the design: a number to argue about, where the table only shows what is.
#[test]
fn stays_within_the_budget_of_host_calls() {
    let rows = [
        ("allowed chat", None, 32),
        ("allowed chat with token", None, 32),
        ("denied by key", Some(Callback::RequestHeaders), 4),
        ("denied by model", Some(Callback::RequestBody), 3),
        ("allowed streamed chat", Some(Callback::ResponseBody), 2),
    ];
    for (name, callback, budget) in rows {
        let scenario = ALL
            .iter()
            .find(|scenario| scenario.name == name)
            .expect("a scenario");
        let steps = scenario.warm().steps;
        let calls = |step: &crate::world::Step| step.calls.values().sum::<u32>();
        let spent = match callback {
            None => steps.iter().map(calls).sum(),
            Some(callback) => steps
                .iter()
                .filter(|step| step.callback == callback)
                .map(calls)
                .max()
                .unwrap_or(0),
        };
        assert!(
            spent <= budget,
            "{name}: {spent} host calls, the budget is {budget}"
        );
    }
}

/// The steps of a warm run, as `request_body`, `request_body 2`, …
fn named_steps(scenario: &Scenario) -> Vec<(String, crate::world::Step)> {
    let mut seen: BTreeMap<Callback, u32> = BTreeMap::new();
    let name = |step: crate::world::Step| {
        let count = seen.entry(step.callback).or_default();
        *count += 1;
        let name = step.callback.name();
        (
            if *count == 1 {
                name.to_owned()
            } else {
                format!("{name} {count}")
            },
            step,
        )
    };
    scenario.warm().steps.into_iter().map(name).collect()
}

/// The table in the repository, which is first written anew if so ordered.
fn pinned() -> &'static Cost {
    static PINNED: OnceLock<Cost> = OnceLock::new();
    PINNED.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("host/cost.json");
        if std::env::var_os("TOLLGATE_ACCEPT").is_some() {
            let text = serde_json::to_string_pretty(&Cost::measure()).expect("numbers and names");
            std::fs::write(&path, text + "\n").expect("a writable repository");
        }
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}
