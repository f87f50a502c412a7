//! Every host call may fail. A request that cannot be judged or cleaned is stopped; a fault of metering changes nothing
//! for the client; and nothing ever traps (a trap would end the test).

use std::collections::BTreeMap;

use crate::abi::status;
use crate::fixtures::{ACME_KEY, JSON_REPLY, chat_headers, chat_reply, configuration, stream};
use crate::host::{Host, flags};
use crate::scenarios::ALL;
use crate::world::{Fault, Stream};

const STATUSES: [u32; 4] = [
    status::NOT_FOUND,
    status::BAD_ARGUMENT,
    status::INTERNAL_FAILURE,
    status::UNIMPLEMENTED,
];

/// What must hold for a stream, whichever calls failed.
type Invariant = fn(&Stream) -> Result<(), String>;

#[test]
fn fails_closed_at_every_call_and_lets_replies_pass() {
    let rows: [(&str, Invariant); 5] = [
        ("allowed chat", clean_or_stopped),
        ("allowed chat with token", clean_or_stopped),
        ("allowed streamed chat", clean_or_stopped),
        ("denied by key", never_complete),
        ("denied by model", never_complete),
    ];
    let mut runs = 0;
    let mut broken = Vec::new();
    for (name, invariant) in rows {
        let scenario = ALL
            .iter()
            .find(|scenario| scenario.name == name)
            .expect("a scenario");
        let mut host = Host::configured(&configuration().to_string());
        let healthy = scenario.run(&mut host);
        for fault in faults_of(&healthy) {
            let mut host = Host::configured(&configuration().to_string());
            host.fail(std::slice::from_ref(&fault));
            if let Err(complaint) = invariant(&scenario.run(&mut host)) {
                broken.push(format!("{name}, {fault:?}: {complaint}"));
            }
            host.fail(&[]);
            if !alike(&scenario.run(&mut host), &healthy) {
                broken.push(format!("{name}: not the same after {fault:?}"));
            }
            runs += 1;
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(runs > 300, "only {runs} faults were injected");
}

/// One fault for each call that a stream made, one for each kind of call, with every status.
pub(crate) fn faults_of(healthy: &Stream) -> Vec<Fault> {
    let mut calls: BTreeMap<&str, u32> = BTreeMap::new();
    for (call, count) in healthy.steps.iter().flat_map(|step| &step.calls) {
        *calls.entry(call).or_default() += count;
    }
    let mut faults = Vec::new();
    for (call, count) in calls {
        for nth in (1..=count).map(Some).chain([None]) {
            let orders = STATUSES.iter().map(|&status| Fault {
                call: call.to_owned(),
                nth,
                status,
            });
            faults.extend(orders);
        }
    }
    // "Not found" is no fault of a property, but a token without that claim.
    faults.retain(|fault| fault.call != "proxy_get_property" || fault.status != status::NOT_FOUND);
    faults
}

/// Both streams went the same way.
fn alike(one: &Stream, other: &Stream) -> bool {
    one.local_reply == other.local_reply
        && one.upstream_headers == other.upstream_headers
        && one.upstream_body == other.upstream_body
        && one.downstream_body == other.downstream_body
        && one.filter_state == other.filter_state
}

/// A clock that cannot be read must not turn an expired key into a good one.
#[test]
fn refuses_an_expired_key_when_the_clock_fails() {
    let mut config = configuration();
    config["keys"][0]["expiresAt"] = serde_json::json!("2026-01-01T00:00:00Z");
    let broken_clock = Fault {
        call: "proxy_get_current_time_nanoseconds".to_owned(),
        nth: None,
        status: status::INTERNAL_FAILURE,
    };
    for (name, faults) in [("clock", vec![]), ("no clock", vec![broken_clock])] {
        let mut host = Host::configured(&config.to_string());
        host.fail(&faults);
        let ended = host.request(&chat_headers(ACME_KEY)).log(flags::NONE);
        assert!(ended.is_stopped(), "{name}: let pass");
    }
}

#[test]
fn refuses_or_accepts_a_configuration_without_a_trap_when_calls_fail() {
    let calls = [
        "proxy_get_buffer_bytes",
        "proxy_get_property",
        "proxy_get_log_level",
        "proxy_get_current_time_nanoseconds",
        "proxy_define_metric",
        "proxy_record_metric",
        "proxy_increment_metric",
    ];
    for call in calls {
        for status in STATUSES {
            let mut host = Host::new();
            host.fail(&[Fault {
                call: call.to_owned(),
                nth: None,
                status,
            }]);
            let accepted = host.configure(&configuration().to_string());
            let readable = call != "proxy_get_buffer_bytes";
            assert_eq!(
                accepted,
                readable,
                "{call} returns {status}: {:#?}",
                host.logs()
            );
        }
    }
}

/// Either the upstream got no complete request, or nothing forged or secret, the true tenant, and the whole body; then
/// the client got the whole reply.
fn clean_or_stopped(stream: &Stream) -> Result<(), String> {
    clean(stream)?;
    if !stream.upstream_complete {
        return match stream.is_stopped() {
            true => Ok(()),
            false => Err("neither passed nor stopped".to_owned()),
        };
    }
    let tenant = stream.upstream_header("x-tollgate-tenant");
    if tenant.as_deref() != Some("acme") {
        return Err(format!("tenant {tenant:?}"));
    }
    let mut unasked = self::stream();
    // Second to last is the usage, which the client has not asked for; to see it does no harm.
    unasked.remove(unasked.len() - 2);
    let whole = [
        chat_reply().into_bytes(),
        unasked.concat().into_bytes(),
        self::stream().concat().into_bytes(),
    ];
    if !whole.contains(&stream.downstream_body) {
        return Err(format!(
            "reply {}",
            String::from_utf8_lossy(&stream.downstream_body)
        ));
    }
    if stream.downstream_headers.as_ref().map(Vec::len) != Some(JSON_REPLY.len()) {
        return Err(format!("reply headers {:?}", stream.downstream_headers));
    }
    Ok(())
}

/// A request that is to be denied never reaches the upstream as a whole.
fn never_complete(stream: &Stream) -> Result<(), String> {
    clean(stream)?;
    if stream.upstream_complete {
        return Err("the upstream got a complete request".to_owned());
    }
    if stream.upstream_body.contains(&b'}') {
        return Err("the closing brace went to the upstream".to_owned());
    }
    Ok(())
}

/// No header that reached the upstream is forged or a credential.
fn clean(stream: &Stream) -> Result<(), String> {
    for (name, value) in stream.upstream_headers.iter().flatten() {
        let value = String::from_utf8_lossy(value);
        if value.contains(ACME_KEY)
            || value.contains("signature")
            || value == "vip"
            || value == "99"
        {
            return Err(format!(
                "the upstream sees {}: {value}",
                String::from_utf8_lossy(name)
            ));
        }
    }
    Ok(())
}
