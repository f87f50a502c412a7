//! One limit: its measure, its subjects and the requests that it applies to.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use siphasher::sip::SipHasher13;

use super::account::{Shortage, Terms, UNIT};
use super::window::Window;
use super::{Failure, Who};
use crate::denial::{Code, Denial, OverLimit};
use crate::identity::Identity;
use crate::measure::Measure;
use crate::model_name::{ModelName, ModelPattern};
use crate::operation::Operation;
use crate::tenant::GroupId;

/// The entries of subjects whose number is not bounded: users, and models that only a pattern names.
const SHARED_ENTRIES: u64 = 16_384;

/// The subjects of a limit: each tenant, each user of a tenant, and so on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a set of five, not a state")]
pub struct Per {
    /// Each tenant has an account of its own.
    pub tenant: bool,
    /// Each group that the caller is in.
    pub group: bool,
    /// Each key.
    pub key: bool,
    /// Each user of a tenant.
    pub user: bool,
    /// Each model.
    pub model: bool,
}

impl Per {
    /// The greater, the fewer requests share an account.
    pub(super) fn narrowness(self) -> u8 {
        let weights = [
            (self.user, 16),
            (self.key, 8),
            (self.group, 4),
            (self.tenant, 2),
            (self.model, 1),
        ];
        weights
            .iter()
            .filter(|(has, _)| *has)
            .map(|(_, weight)| *weight)
            .sum()
    }
}

/// The requests that a limit applies to. An empty list means all.
#[derive(Debug, Default)]
pub struct Selection {
    /// Tenants by name.
    pub tenants: Vec<Rc<str>>,
    /// Keys by id.
    pub keys: Vec<Rc<str>>,
    /// Callers in any of these groups.
    pub groups: Vec<GroupId>,
    /// Models by name or pattern.
    pub models: Vec<ModelPattern>,
    /// Operations. Empty means those that name a model.
    pub operations: Vec<Operation>,
}

/// One limit.
#[derive(Debug)]
pub struct Limit {
    /// Its name in metrics, replies and the store.
    pub id: Rc<str>,
    /// Its subjects.
    pub per: Per,
    /// The requests that it applies to.
    pub selection: Selection,
    /// Whether refusals are only recorded.
    pub audit: bool,
    /// The effect of a store that fails.
    pub failure: Failure,
    pub(crate) terms: Terms,
}

impl Limit {
    /// `amount` is in units of `measure`, `offset` in seconds east of UTC.
    pub(crate) const fn terms(
        measure: Measure,
        amount: u64,
        window: Option<Window>,
        offset: i32,
    ) -> Terms {
        Terms {
            measure,
            amount: amount.saturating_mul(UNIT),
            window,
            offset,
        }
    }

    /// Its measure.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.terms.measure
    }

    /// Its amount.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.terms.amount / UNIT
    }

    /// Its window; `None` for concurrent requests.
    #[must_use]
    pub const fn window(&self) -> Option<Window> {
        self.terms.window
    }

    /// Returns true if it applies to this request. Before the model is known, limits that depend on it do not.
    #[must_use]
    pub fn applies(&self, who: &Who<'_>) -> bool {
        let selection = &self.selection;
        let is_of = |list: &[Rc<str>], name: Option<&str>| {
            list.is_empty() || name.is_some_and(|name| list.iter().any(|other| **other == *name))
        };
        let tenant = who.identity.map(|identity| &*identity.tenant().name);
        let key = who.identity.and_then(Identity::key).map(|key| &**key);
        let operation = if selection.operations.is_empty() {
            who.operation.names_model()
        } else {
            selection.operations.contains(&who.operation)
        };
        let groups = || {
            let held = who.identity.map(|identity| &**identity.groups());
            let mut wanted = selection.groups.iter();
            wanted.any(|group| held.unwrap_or_default().binary_search(group).is_ok())
        };
        let model = || match who.model {
            Some(model) => selection
                .models
                .iter()
                .any(|pattern| pattern.matches(model.as_str())),
            None => false,
        };
        operation
            && is_of(&selection.tenants, tenant)
            && is_of(&selection.keys, key)
            && (selection.groups.is_empty() || groups())
            && (selection.models.is_empty() || model())
            && (!self.per.model || who.model.is_some())
    }
}

impl Limit {
    pub(super) fn refusal(&self, shortage: &Shortage) -> Denial {
        let terms = &self.terms;
        let code = match terms.measure {
            _ if shortage.asked > terms.amount => Code::QuotaRequestTooLarge,
            Measure::Requests => Code::QuotaRequests,
            Measure::Concurrent => Code::QuotaConcurrency,
            _ => Code::QuotaTokens,
        };
        let count = |thousandths: u64| thousandths.div_ceil(UNIT);
        Denial::over_limit(
            code,
            OverLimit {
                window: terms.window.map(Window::as_str),
                is_of_calendar: terms.window.is_some_and(Window::is_of_calendar),
                used: count(shortage.used),
                reserved: count(shortage.held),
                asked: count(shortage.asked),
                ..OverLimit::new(&self.id, terms.measure, self.amount())
            }
            .after(shortage.wait.div_ceil(1_000_000_000)),
        )
    }
}

/// The entry and the tag of the account that a request is charged to. Configured tenants, keys and groups have their own
/// entries; users and models share a fixed number.
pub(super) fn place(limit: &Limit, who: &Who<'_>, group: Option<&str>) -> (String, u64) {
    let per = limit.per;
    let identity = who.identity;
    let tenant = identity.map_or("", |identity| &identity.tenant().name);
    let key = identity.and_then(Identity::key).map_or("", |key| key);
    let user = identity.and_then(Identity::user).unwrap_or_default();
    let model = who.model.map_or("", ModelName::as_str);
    let parts = [
        (
            't',
            per.tenant || per.user || (per.key && key.is_empty()),
            tenant,
        ),
        ('g', per.group, group.unwrap_or_default()),
        ('k', per.key, key),
        ('u', per.user, user),
        ('m', per.model, model),
    ];
    let mut subject = String::with_capacity(64);
    for (mark, _, value) in parts.iter().filter(|(_, used, _)| *used) {
        subject.push(*mark);
        subject.push_str(value);
        subject.push('\0');
    }
    if per.user || per.model {
        let tag = hash(&(&*limit.id, subject.as_str()));
        let entry = tag.checked_rem(SHARED_ENTRIES).unwrap_or_default();
        (format!("tollgate/1/shared/{entry}"), tag)
    } else {
        (format!("tollgate/1/{subject}"), hash(&*limit.id))
    }
}

/// A hash that is the same in every build, because instances of other builds share the store.
fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}
