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
use crate::quota::Limits;

/// All rules for requests. Each step gets the section that it uses.
#[derive(Debug)]
pub struct Policy {
    /// The configured paths.
    pub paths: Paths,
    /// The known callers.
    pub identities: Identities,
    /// The access rules.
    pub access: Rules,
    /// The credential that the server gets.
    pub forwarding: Forwarding,
    /// Whether clients are told when their key expires.
    pub show_expiry: bool,
    /// What every request carries that was admitted, so that what is behind the filter can refuse all others.
    pub admitted: Option<Rc<SecretHeader>>,
    /// The headers that only the gateway may set.
    pub owned: OwnedHeaders,
    /// The headers that carry the tenant's name, beside Tollgate's own.
    pub tenant_headers: Vec<Rc<str>>,
    /// How tokens are counted, and where the counts go.
    pub metering: Metering,
    /// How much may be asked for.
    pub limits: Limits,
    /// The first 32 bits of the configuration's SHA-256, to compare gateways with. Written in decimal everywhere, as
    /// Prometheus shows the gauge.
    pub fingerprint: u32,
}

impl Policy {
    /// The gauges that describe the running configuration. `now` is in seconds since the epoch.
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

/// How tokens are counted, and where the counts go. The settings of each model are in
/// [`ModelRules`](crate::access::ModelRules).
#[derive(Debug)]
pub struct Metering {
    /// True if counts go to filter state.
    pub filter_state: bool,
    /// The filter whose counts replace missing ones.
    pub gateway_counts: GatewayCounts,
    /// True if `accept-encoding` is removed, because the tokens of an encoded reply cannot be counted.
    pub strip_accept_encoding: bool,
    /// True if requests and tokens have the label `key`.
    pub key_label: bool,
}

/// The credential that the server gets. Every other credential is stripped. On requests without an identity check, all
/// credentials are stripped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forwarding {
    /// No credential.
    Strip,
    /// The header that identified the caller, unchanged. For a token it is the credential source that contains it:
    /// `jwt_authn` must read its tokens from there.
    Keep,
    /// The server's own key, in `authorization`, on every admitted request except preflights.
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
