//! The headers step as a whole: who asks, for what, may they, and what goes on.

use std::rc::Rc;

use crate::access;
use crate::denial::Denial;
use crate::forward::{Changes, Forwarded, forward};
use crate::headers::HeaderMap;
use crate::identity::{Caller, Claim, identify};
use crate::operation::{self, Operation};
use crate::policy::Policy;

/// What is known of a request from its headers, whether it goes on or not.
#[derive(Debug, Default)]
pub struct Arrival {
    /// What it asks for; `None` for what is not in the table of operations.
    pub operation: Option<Operation>,
    /// The tenant, from the moment that it is known.
    pub tenant: Option<Rc<str>>,
    /// Why there is no identity, where the mode lets that pass.
    pub noted: Option<Denial>,
}

impl Arrival {
    /// Nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            operation: None,
            tenant: None,
            noted: None,
        }
    }

    /// Decides whether the request goes on, and with which headers, which are handed to `write`. `now` and `attributes`
    /// are those of [`identify`].
    ///
    /// # Errors
    /// The refusal of the request, or the error of `write`. What was known before it is kept.
    pub fn admit<E>(
        &mut self,
        headers: &HeaderMap,
        has_body: bool,
        policy: &Policy,
        now: i64,
        attributes: &dyn Fn(&[&str]) -> Claim,
        write: impl FnOnce(&Changes) -> Result<(), E>,
    ) -> Result<Forwarded, Denial>
    where
        Denial: From<E>,
    {
        let target = operation::target(headers, has_body, policy);
        self.operation = target.as_ref().ok().map(|target| target.operation);
        let caller = if self.operation.is_none_or(Operation::needs_identity) {
            let identified = identify(headers, policy, now, attributes);
            let (caller, noted) = access::settle(identified, policy.mode)?;
            self.noted = noted;
            caller
        } else {
            Caller::Anonymous
        };
        self.tenant = caller
            .identity()
            .map(|identity| Rc::clone(&identity.tenant().name));
        let permit = access::admit(caller, &target?, headers, has_body, policy)?;
        Ok(forward(permit, headers, has_body, policy).write(write)?)
    }
}
