//! The configuration, ready to use: every reference resolved, every name checked, every header value prepared.
//!
//! A [`Policy`] is only made by [`compile`](crate::config::compile()), so it cannot be invalid; requests share it by
//! `Rc` and never copy it.

use std::fmt;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::access::{ExtraPath, Mode, ModelLimit, ModelRules};
use crate::forward::owned::OwnedHeaders;
use crate::gateway_counts::GatewayCounts;
use crate::identity::{Issuer, Keys, Source, TrustedHeaders};
use crate::members::Members;
use crate::metrics::{Metric, Movement, Series};
use crate::operation::PathRule;

/// Everything that requests are judged by.
#[derive(Debug)]
pub struct Policy {
    /// Every key that is accepted.
    pub keys: Keys,
    /// Every group that a rule or a tenant names; other groups cannot matter.
    pub groups: Groups,
    /// All tenants, by name.
    pub tenants: FxHashMap<Rc<str>, Rc<Tenant>>,
    /// Where credentials are looked for.
    pub sources: Vec<Source>,
    /// What the upstream gets of them.
    pub forwarding: Forwarding,
    /// What every request carries that was admitted, so that what stands behind can refuse all others.
    pub admitted: Option<Rc<SecretHeader>>,
    /// Issuers whose verified payloads are accepted.
    pub issuers: Vec<Issuer>,
    /// Identity set by a gateway in front.
    pub trusted_headers: Option<TrustedHeaders>,
    /// Who may use which model.
    pub models: ModelRules,
    /// The header that repeats the model.
    pub model_header: ModelHeader,
    /// Which headers nobody but the gateway may say.
    pub owned: OwnedHeaders,
    /// What else of a body is looked at.
    pub members: Rc<Members>,
    /// Paths beyond the table of operations, for members of certain groups.
    pub extra_paths: Vec<ExtraPath>,
    /// Paths that need no identity.
    pub public_paths: Vec<PathRule>,
    /// What the fairness id is made from.
    pub fairness: Fairness,
    /// Whether refusals stand.
    pub mode: Mode,
    /// What is done to count tokens, and with the counts.
    pub metering: Metering,
    /// The first eight hex digits of the configuration's SHA-256, to compare gateways with.
    pub fingerprint: u32,
}

impl Policy {
    /// The gauges that tell what is running. `now` is in seconds since the epoch.
    #[must_use]
    pub fn gauges(&self, now: i64) -> [Movement; 5] {
        let count = |length: usize| length.try_into().unwrap_or(u64::MAX);
        let mode = match self.mode {
            Mode::Enforce => 0,
            Mode::Audit => 1,
            Mode::Open => 2,
        };
        let next_expiry = self.keys.next_expiry(now).unwrap_or_default();
        [
            (Metric::ConfiguredKeys, count(self.keys.len())),
            (Metric::ConfiguredTenants, count(self.tenants.len())),
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

/// What the log says of a configuration that is taken up.
impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "configured {} keys, {} tenants, {} issuers (mode {}, config {:08x})",
            self.keys.len(),
            self.tenants.len(),
            self.issuers.len(),
            self.mode.as_str(),
            self.fingerprint
        )
    }
}

/// A SHA-256.
pub type Digest = [u8; 32];

/// A tenant: a closed set, so its name may be a metric label, a fairness id and a log field.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The configured name.
    pub name: Rc<str>,
    /// Groups of every key of it; tokens and gateways in front bring their own.
    pub groups: GroupSet,
    /// The scheduler's objective.
    pub objective: Option<Rc<str>>,
}

/// An API key without the key.
#[derive(Debug)]
pub struct Key {
    /// Its public name.
    pub id: Rc<str>,
    /// Whom it belongs to.
    pub tenant: Rc<Tenant>,
    /// The tenant's groups and its own.
    pub groups: GroupSet,
    /// What most keys do not have. Boxed, so that 100,000 plain keys stay small.
    pub terms: Option<Box<KeyTerms>>,
}

/// When and for what a key may be used, and how its requests are scheduled.
#[derive(Debug, Default)]
pub struct KeyTerms {
    /// Seconds since the epoch before which the key is refused.
    pub not_before: Option<i64>,
    /// Seconds since the epoch from which on the key is refused.
    pub expires_at: Option<i64>,
    /// Refused whatever the time.
    pub disabled: bool,
    /// Models that it is narrowed to.
    pub models: Option<ModelLimit>,
    /// The scheduler's objective, in place of the tenant's.
    pub objective: Option<Rc<str>>,
}

/// A configured group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

/// Some groups, sorted and shared.
pub type GroupSet = Rc<[GroupId]>;

/// The names of all configured groups.
#[derive(Debug, Default)]
pub struct Groups(FxHashMap<Box<str>, GroupId>);

impl Groups {
    /// The id of a group, made on first mention.
    pub(crate) fn intern(&mut self, name: &str) -> GroupId {
        if let Some(id) = self.find(name) {
            return id;
        }
        // More than u32::MAX groups do not fit a wasm32 memory.
        let id = GroupId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.insert(name.into(), id);
        id
    }

    /// The id of a configured group. `None` for a group that no rule, tenant or key names.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<GroupId> {
        self.0.get(name).copied()
    }

    /// The name of a group. Not for the path of a request: it looks at every group.
    #[must_use]
    pub fn name(&self, id: GroupId) -> Option<&str> {
        let mut groups = self.0.iter();
        groups
            .find(|(_, other)| **other == id)
            .map(|(name, _)| &**name)
    }
}

/// What is done to count tokens, and with the counts. What is done per model is in [`ModelRules`].
#[derive(Debug)]
pub struct Metering {
    /// Whether counts go to filter state.
    pub filter_state: bool,
    /// Whose counts stand in for missing ones.
    pub gateway_counts: GatewayCounts,
    /// Whether no encoded reply is asked for; one that is encoded cannot be counted.
    pub strip_accept_encoding: bool,
    /// Whether the Responses API may be asked to answer in the background, where nothing can be counted.
    pub allow_background: bool,
}

/// The header in which a gateway in front repeats the model.
#[derive(Debug)]
pub struct ModelHeader {
    /// Its name in lower case.
    pub name: Box<str>,
    /// Whether a request without it is refused.
    pub required: bool,
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

/// What the fairness id is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fairness {
    /// The tenant's name, so that the scheduler's metrics join ours.
    Tenant,
    /// The key's id. Tokens have none, so for them it is the tenant's name.
    Key,
    /// The token's user claim, or the principal of the gateway in front. Keys have none, so for them it is the tenant's
    /// name.
    User,
    /// The first value of this attribute from the gateway in front. Where there is none, the tenant's name.
    Attribute(Box<str>),
}
