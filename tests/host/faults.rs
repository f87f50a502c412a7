//! Every host call may fail. A request that cannot be judged or cleaned is stopped; a fault of metering changes nothing
//! for the client; and nothing ever traps (a trap would end the test).

use std::collections::BTreeMap;

use crate::abi::status;
use crate::fixtures::{ACME_KEY, JSON_REPLY, chat_reply, configuration, stream};
use crate::host::Host;
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
    for (name, invariant) in rows {
        let scenario = ALL
            .iter()
            .find(|scenario| scenario.name == name)
            .expect("a scenario");
        let mut host = Host::configured(&configuration().to_string());
        let mut calls: BTreeMap<&str, u32> = BTreeMap::new();
        for step in scenario.run(&mut host).steps {
            for (call, count) in step.calls {
                *calls.entry(call).or_default() += count;
            }
        }
        for (call, count) in calls {
            for nth in (1..=count).map(Some).chain([None]) {
                for status in STATUSES {
                    let fault = Fault {
                        call: call.to_owned(),
                        nth,
                        status,
                    };
                    let mut host = Host::configured(&configuration().to_string());
                    host.fail(std::slice::from_ref(&fault));
                    let ended = scenario.run(&mut host);
                    invariant(&ended)
                        .unwrap_or_else(|complaint| panic!("{name}, {fault:?}: {complaint}"));
                    host.fail(&[]);
                    let next = scenario.run(&mut host);
                    invariant(&next)
                        .unwrap_or_else(|complaint| panic!("{name}, after {fault:?}: {complaint}"));
                    runs += 1;
                }
            }
        }
    }
    assert!(runs > 300, "only {runs} faults were injected");
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
    let whole = [
        chat_reply().into_bytes(),
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
