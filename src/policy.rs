//! The configuration, ready to use: every reference resolved, every name checked, every header value prepared.
//!
//! A [`Policy`] is only made by [`compile`](crate::config::compile()), so it cannot be invalid; requests share it by
//! `Rc` and never copy it.

use std::fmt;
use std::rc::Rc;

use crate::access::{Mode, Rules};
use crate::date::rfc3339;
use crate::gateway_counts::GatewayCounts;
use crate::identity::Identities;
use crate::metrics::{Metric, Movement, Series};
use crate::operation::Paths;
use crate::owned_headers::OwnedHeaders;

/// Everything that requests are judged by. Each step is given the section that it judges by.
#[derive(Debug)]
pub struct Policy {
    /// Which paths there are.
    pub paths: Paths,
    /// Who is known.
    pub identities: Identities,
    /// Who may do what.
    pub access: Rules,
    /// What the upstream gets of credentials.
    pub forwarding: Forwarding,
    /// Whether clients are told when their key expires.
    pub show_expiry: bool,
    /// What every request carries that was admitted, so that what is behind the filter can refuse all others.
    pub admitted: Option<Rc<SecretHeader>>,
    /// Which headers only the gateway may set.
    pub owned: OwnedHeaders,
    /// What is done to count tokens, and with the counts.
    pub metering: Metering,
    /// The first 32 bits of the configuration's SHA-256, to compare gateways with. Written in decimal everywhere, as
    /// Prometheus shows the gauge.
    pub fingerprint: u32,
}

impl Policy {
    /// The gauges that tell what is running. `now` is in seconds since the epoch.
    #[must_use]
    pub fn gauges(&self, now: i64) -> [Movement; 5] {
        let count = |length: usize| length.try_into().unwrap_or(u64::MAX);
        let mode = match self.access.mode {
            Mode::Enforce => 0,
            Mode::Audit => 1,
            Mode::Open => 2,
        };
        let next_expiry = self.identities.keys.next_expiry(now);
        let next_expiry = next_expiry.map(|(end, _)| end).unwrap_or_default();
        [
            (Metric::ConfiguredKeys, count(self.identities.keys.len())),
            (
                Metric::ConfiguredTenants,
                count(self.identities.tenants.len()),
            ),
            (Metric::ConfigHash, self.fingerprint.into()),
            (Metric::Mode, mode),
            (
                Metric::NextKeyExpiry,
                next_expiry.try_into().unwrap_or_default(),
            ),
        ]
        .map(|(metric, value)| Movement {
            series: Series::new(metric),
            value,
        })
    }
}

impl Policy {
    /// What the log says of the key that expires next; `None` if none does.
    #[must_use]
    pub fn next_expiry(&self, now: i64) -> Option<String> {
        let (end, id) = self.identities.keys.next_expiry(now)?;
        Some(format!(
            "the next key to expire is `{id}`, at {}",
            rfc3339(end)?
        ))
    }
}

/// What the log says of a configuration that is taken up.
impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "configured {} keys, {} tenants, {} issuers (mode {}, config {})",
            self.identities.keys.len(),
            self.identities.tenants.len(),
            self.identities.issuers.len(),
            self.access.mode.as_str(),
            self.fingerprint
        )
    }
}

/// What is done to count tokens, and with the counts. What is done per model is in [`ModelRules`](crate::access::ModelRules).
#[derive(Debug)]
pub struct Metering {
    /// Whether counts go to filter state.
    pub filter_state: bool,
    /// Whose counts stand in for missing ones.
    pub gateway_counts: GatewayCounts,
    /// Whether no encoded reply is asked for; one that is encoded cannot be counted.
    pub strip_accept_encoding: bool,
}

/// What the upstream gets of the caller's credential. Whatever it is, every other credential is stripped, and on a
/// request whose caller was not asked who they are, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forwarding {
    /// Nothing.
    Strip,
    /// The one header that proved who the caller is, as it came. For a token it is the credential source that holds it:
    /// `jwt_authn` must be reading its tokens from there.
    Keep,
    /// The upstream's own key, in `authorization`, goes with every admitted request but a preflight.
    Replace(Rc<SecretHeader>),
}

/// A header whose value must not be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct SecretHeader {
    /// Its name in lower case.
    pub name: Box<str>,
    /// Its value.
    pub value: Secret,
}

/// A header value that must never be logged: its `Debug` does not show it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Rc<str>);

impl Secret {
    pub(crate) fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value, for the header that carries it and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}
