//! The limits, with the host as their store and clock.

use super::{Host, Map};
use crate::access::Permit;
use crate::denial::{Denial, Dialect};
use crate::policy::Policy;
use crate::quota::{self, Asked, Holds, Left, Who};

fn who<'a>(permit: &'a Permit, policy: &'a Policy) -> Who<'a> {
    Who {
        identity: permit.identity(),
        groups: &policy.identities.groups,
        model: permit.model(),
        operation: permit.operation,
    }
}

/// Checks whether a request can be admitted, before its body arrives. `now` is in nanoseconds since the epoch.
pub(super) fn look(
    host: &impl Host,
    policy: &Policy,
    permit: &mut Permit,
    now: u64,
) -> Result<(), Denial> {
    let looked = policy
        .limits
        .look(&who(permit, policy), host, &host.machines(), now);
    permit.note(looked, &policy.access)
}

/// Reserves the maximum cost of a request. If the mode only records a refusal, nothing is reserved.
pub(super) fn hold(
    host: &impl Host,
    policy: &Policy,
    permit: &mut Permit,
    asked: &Asked,
) -> Result<Box<Holds>, Denial> {
    let now = host.now()?;
    let mut movements = Vec::new();
    let machines = host.machines();
    let held = policy.limits.hold(
        &who(permit, policy),
        asked,
        host,
        &machines,
        now,
        &mut movements,
    );
    for movement in &movements {
        host.move_series(movement);
    }
    let (mut holds, refused) = match held {
        Ok(holds) => (holds, Ok(())),
        Err(denial) => (Holds::default(), Err(denial)),
    };
    let noted = holds.noted.take();
    permit.note(refused, &policy.access)?;
    permit.note_only(noted);
    Ok(Box::new(holds))
}

/// Sets the headers that tell the client what is left. They replace the server's own. A reply passes even if this fails.
pub(super) fn tell(host: &impl Host, left: &Left, dialect: Dialect) {
    if *left == Left::default() {
        return;
    }
    for (name, value) in quota::headers(left, dialect, host.now().unwrap_or_default()) {
        let _ = host.set_header(Map::ResponseHeaders, name, &value);
    }
}

/// The headers of a refusal by a limit.
pub(super) fn told_of_refusal(
    host: &impl Host,
    denial: &Denial,
    dialect: Dialect,
) -> Vec<(&'static str, String)> {
    let Some(over) = denial.limit() else {
        return Vec::new();
    };
    let left = Left::of_refusal(over);
    quota::headers(&left, dialect, host.now().unwrap_or_default())
}
