//! Tenants, their keys and their groups, as the configuration has them.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::model_name::ModelLimit;

/// A SHA-256.
pub type Digest = [u8; 32];

/// A tenant. Tenants are a closed set, so the name may be a metric label, a fairness id and a log field.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The configured name.
    pub name: Rc<str>,
    /// Groups of all keys of the tenant. Tokens and gateways in front have their own groups.
    pub groups: GroupSet,
    /// The scheduler's objective.
    pub objective: Option<Rc<str>>,
}

/// An API key without the key.
#[derive(Debug)]
pub struct Key {
    /// Its public name.
    pub id: Rc<str>,
    /// The tenant of the key.
    pub tenant: Rc<Tenant>,
    /// The tenant's groups and its own.
    pub groups: GroupSet,
    /// Settings that most keys do not have. Boxed, so that 100,000 keys without them stay small.
    pub terms: Option<Box<KeyTerms>>,
}

/// The times and models of a key, and the scheduling of its requests.
#[derive(Debug, Default)]
pub struct KeyTerms {
    /// The key is refused before this time, in seconds since the epoch.
    pub not_before: Option<i64>,
    /// The key is refused from this time on, in seconds since the epoch.
    pub expires_at: Option<i64>,
    /// The key is always refused.
    pub disabled: bool,
    /// The models to which the key is limited.
    pub models: Option<ModelLimit>,
    /// The scheduler's objective, instead of the tenant's.
    pub objective: Option<Rc<str>>,
}

/// A configured group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

/// A set of groups, sorted and shared.
pub type GroupSet = Rc<[GroupId]>;

/// The names of all configured groups.
#[derive(Debug, Default)]
pub struct Groups {
    ids: FxHashMap<Rc<str>, GroupId>,
    /// Each at the place that its id says.
    names: Vec<Rc<str>>,
}

impl Groups {
    /// The id of a group, created on first use.
    pub(crate) fn intern(&mut self, name: &str) -> GroupId {
        if let Some(id) = self.find(name) {
            return id;
        }
        // More than u32::MAX groups do not fit a wasm32 memory.
        let id = GroupId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Rc<str> = name.into();
        self.names.push(Rc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// The id of a configured group. `None` for a group that no rule, tenant or key names.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<GroupId> {
        self.ids.get(name).copied()
    }

    /// The name of a group.
    #[must_use]
    pub fn name(&self, id: GroupId) -> Option<&str> {
        let place = usize::try_from(id.0).ok()?;
        self.names.get(place).map(|name| &**name)
    }
}
