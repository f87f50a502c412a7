//! Where the limits meet the host.

use std::rc::Rc;

use super::{Host, Map};
use crate::access::Permit;
use crate::denial::{Denial, Dialect};
use crate::policy::Policy;
use crate::quota::{self, Asked, Budget, Holds, Left, Spent, Who};

fn who(permit: &Permit) -> Who<'_> {
    Who {
        identity: permit.identity(),
        model: permit.model(),
        operation: permit.operation,
    }
}

/// Whether a request may still come in, before its body is seen. `now` is in nanoseconds since the epoch.
pub(super) fn look(
    host: &impl Host,
    policy: &Policy,
    permit: &mut Permit,
    now: u64,
) -> Result<(), Denial> {
    let looked = policy
        .limits
        .look(&who(permit), host, &host.machines(), now);
    permit.note(looked, &policy.access)
}

/// Sets aside what a request may cost. Where the mode only notes a refusal nothing is set aside.
pub(super) fn hold(
    host: &impl Host,
    policy: &Policy,
    permit: &mut Permit,
    asked: &Asked,
) -> Result<Box<Holds>, Denial> {
    let now = host.now()?;
    let mut movements = Vec::new();
    let machines = host.machines();
    let held = policy
        .limits
        .hold(&who(permit), asked, host, &machines, now, &mut movements);
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

/// Puts what a request did cost in the place of what was set aside.
pub(super) fn settle(
    host: &impl Host,
    policy: &Policy,
    holds: Holds,
    spent: Spent,
    tenant: Option<&Rc<str>>,
) {
    let Ok(now) = host.now() else {
        return;
    };
    for movement in policy.limits.settle(holds, spent, tenant, host, now) {
        host.move_series(&movement);
    }
}

/// Tells the client what is left, in place of what the server says of limits of its own. A reply is not worth failing for.
pub(super) fn tell(host: &impl Host, left: &Left, dialect: Dialect) {
    if *left == Left::default() {
        return;
    }
    for (name, value) in quota::headers(left, dialect, host.now().unwrap_or_default()) {
        let _ = host.set_header(Map::ResponseHeaders, name, &value);
    }
}

/// What a refusal by a limit tells beside its code.
pub(super) fn told_of_refusal(
    host: &impl Host,
    denial: &Denial,
    dialect: Dialect,
) -> Vec<(&'static str, String)> {
    let Some(over) = denial.limit().filter(|over| over.window.is_some()) else {
        return Vec::new();
    };
    let budget = Some(Budget {
        limit: over.amount,
        remaining: over
            .amount
            .saturating_sub(over.used.saturating_add(over.reserved)),
        reset: over.retry_after.saturating_mul(1_000_000_000),
    });
    let left = if over.counts == "requests" {
        Left {
            requests: budget,
            tokens: None,
        }
    } else {
        Left {
            requests: None,
            tokens: budget,
        }
    };
    quota::headers(&left, dialect, host.now().unwrap_or_default())
}
