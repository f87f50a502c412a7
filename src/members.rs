//! The members of a JSON body that decide something: which model works, who is asked for usage, and what else a server
//! would be steered by.
//!
//! `model` is not the only member by which servers choose a model. Some name further ones (fallbacks, drafts, adapters,
//! models of tools): each of these is judged like `model`. Others choose hosts, workers, queues, credentials or code: they
//! are refused unless the configuration allows them. Both lists hold for all servers at once, because one server passes on
//! to the next what it does not know itself.
//!
//! Names are compared as the most forgiving reader compares them ([`NameSet`]). Only the top of the document is looked at,
//! and the few places of `NAMING`: what stands in messages and inputs is the user's to say.

pub(crate) mod naming;
pub(crate) mod steering;
mod table;

use std::rc::Rc;

use crate::denial::Denial;
use crate::json::{Found, NameSet, Paths, Scanner};
use crate::model_name::ModelName;

pub(crate) use naming::NAMING;
use naming::{Naming, Shape};
use steering::Harmless;
pub(crate) use steering::STEERING;
use table::{LITERAL, MEMBERS};
pub(crate) use table::{Member, Read, member};

/// Members that cannot be denied, because the filter reads and completes them itself.
pub(crate) const OWN: [&str; 3] = ["model", "stream", "stream_options"];

/// A member that is refused.
#[derive(Debug)]
struct Denied {
    /// As it is written in the table or in the configuration.
    name: Rc<str>,
    harmless: Harmless,
}

/// Which servers read a member of the lists, and what they do with it; `None` for one that only the configuration names.
#[cfg(feature = "command")]
#[must_use]
pub fn effect(member: &str) -> Option<(&'static str, &'static str)> {
    let mut naming = NAMING.iter();
    let naming = naming.find(|naming| naming.name == member);
    let mut steering = STEERING.iter();
    let steering = steering.find(|steering| steering.name == member);
    naming
        .map(|naming| (naming.servers, naming.effect))
        .or_else(|| steering.map(|steering| (steering.servers, steering.effect)))
}

/// Whether an entry of `body.allow` lets a member pass that names models.
#[cfg(feature = "command")]
#[must_use]
pub fn names_models(pattern: &str) -> bool {
    let mut naming = NAMING.iter();
    naming.any(|naming| matches(pattern, naming.name))
}

/// Whether an entry of `body.allow` lets any member pass that would be refused.
#[cfg(feature = "command")]
#[must_use]
pub fn is_listed(pattern: &str) -> bool {
    let mut steering = STEERING.iter();
    names_models(pattern)
        || steering
            .any(|steering| matches(pattern, steering.name) || matches(steering.name, pattern))
}

/// The number of a name that no member is denied by.
const NOT_DENIED: u16 = u16::MAX;

/// What the configuration makes of the members: which are refused, and which are not looked at.
#[derive(Debug)]
pub struct Members {
    paths: Rc<Paths>,
    denied: Vec<Denied>,
    /// Names that pass although the list denies all that begin so.
    spared: Vec<Box<str>>,
    /// Which of [`NAMING`] are not looked at.
    ignored: [bool; NAMING.len()],
}

impl Default for Members {
    /// The lists as they are.
    fn default() -> Self {
        Self::new(&[], &[])
    }
}

impl Members {
    /// `deny` and `allow` are names, or beginnings of names in front of a `*`. What is denied by name stays denied.
    #[must_use]
    pub fn new(deny: &[String], allow: &[String]) -> Self {
        let listed = |list: &[String], name: &str| {
            let mut list = list.iter();
            list.any(|pattern| matches(pattern, name))
        };
        let steering = STEERING
            .iter()
            .filter(|steering| !listed(allow, steering.name))
            .map(|steering| Denied {
                name: steering.name.into(),
                harmless: steering.harmless,
            });
        let configured = deny.iter().map(|name| Denied {
            name: name.as_str().into(),
            harmless: Harmless::Null,
        });
        let denied: Vec<Denied> = steering.chain(configured).collect();
        let begins = |name: &str| {
            let mut steering = STEERING.iter();
            steering.any(|steering| steering.name != name && matches(steering.name, name))
        };
        let spared = allow.iter().filter(|name| begins(name));
        let spared: Vec<Box<str>> = spared.map(|name| name.as_str().into()).collect();
        let mut names = NameSet::default();
        for name in &spared {
            names.insert(name, NOT_DENIED);
        }
        for (denied, number) in denied.iter().zip(0..) {
            names.insert(&denied.name, number);
        }
        let ignored = NAMING.map(|naming| {
            let top = naming.path.first().copied().unwrap_or_default();
            listed(allow, naming.name) || listed(allow, top)
        });
        // What an entry of the fallbacks says is spread over the request that is tried again.
        let places: [&[&'static str]; 2] = [&[], &["fallbacks", "[]"]];
        let paths = Paths::new(&MEMBERS.wanted).watching(&places, names, LITERAL);
        Self {
            paths: Rc::new(paths),
            denied,
            spared,
            ignored,
        }
    }

    /// The members that a body must be scanned for.
    pub(crate) fn paths(&self) -> Rc<Paths> {
        Rc::clone(&self.paths)
    }

    /// The name by which a field of a form is refused, as the list has it: a member that steers, or that names further
    /// models, of which a form can name none. No value of a field is harmless, and none is an object.
    pub(crate) fn denied_field(&self, name: &str) -> Option<&str> {
        let steering = self.denied.iter();
        let mut steering = steering.filter(|denied| denied.harmless != Harmless::NotObject);
        let naming = NAMING.iter().zip(self.ignored);
        let mut naming = naming.filter_map(|(naming, ignored)| match naming.path {
            [only] if !ignored => Some(*only),
            _ => None,
        });
        let is_spared = |denied: &Denied| {
            let mut spared = self.spared.iter();
            denied.name.ends_with('*') && spared.any(|spared| matches(spared, name))
        };
        steering
            .find(|denied| matches(&denied.name, name) && !is_spared(denied))
            .map(|denied| &*denied.name)
            .or_else(|| naming.find(|top| matches(top, name)))
    }

    fn ignores(&self, index: usize) -> bool {
        self.ignored.get(index).copied().unwrap_or_default()
    }
}

/// Whether a name, as it is written in a table, is one that a pattern is for.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

/// What one body says in the members of [`NAMING`] and [`STEERING`].
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// The models that were named since they were taken last.
    models: Vec<ModelName>,
    refused: Option<Denial>,
    /// The entry of the fallbacks that is being read has named its model.
    entry_named: bool,
}

impl Named {
    /// The value of a member has been read; `member` is `None` for one of those that are refused.
    pub(crate) fn value(&mut self, member: Option<Member>, found: &Found, members: &Members) {
        match member {
            Some(Member::Read(_)) => {}
            Some(Member::Names(index)) => {
                let Some(naming) = NAMING.get(index) else {
                    return;
                };
                if members.ignores(index) {
                    self.entry_named |= naming.shape == Shape::NameOfEntry;
                } else {
                    self.naming(naming, found);
                }
            }
            None => self.steering(found, members),
        }
    }

    fn naming(&mut self, naming: &Naming, found: &Found) {
        let taken = match (naming.shape, found.first) {
            (_, b'n') | (Shape::List | Shape::NameOrList, b'[') => true,
            (Shape::NameOrEntry, b'{') => std::mem::take(&mut self.entry_named),
            (Shape::List | Shape::Nothing, _) => false,
            (_, b'"') => {
                let model = found.string().and_then(|text| ModelName::new(&text));
                let named = model.is_some();
                self.entry_named |= named && naming.shape == Shape::NameOfEntry;
                self.models.extend(model);
                named
            }
            _ => false,
        };
        if !taken {
            self.refuse(naming.name);
        }
    }

    fn steering(&mut self, found: &Found, members: &Members) {
        let Some(denied) = members.denied.get(usize::from(found.name)) else {
            return;
        };
        if !denied.harmless.is(found) {
            self.refuse(&denied.name);
        }
    }

    fn refuse(&mut self, member: &str) {
        let refusal = || Denial::member_not_allowed(member);
        self.refused.get_or_insert_with(refusal);
    }

    /// The models that were named since this was asked last.
    ///
    /// # Errors
    /// [`MemberNotAllowed`](crate::denial::Code::MemberNotAllowed) for a member that is refused.
    pub(crate) fn take(&mut self) -> Result<Vec<ModelName>, Denial> {
        match &self.refused {
            Some(denial) => Err(denial.clone()),
            None => Ok(std::mem::take(&mut self.models)),
        }
    }

    /// A name on the way to a further model that is only equal to a wanted one in a forgiving reader.
    pub(crate) fn lookalikes(&mut self, scanner: &Scanner, members: &Members) {
        for (place, member) in MEMBERS.tags().iter().enumerate() {
            let Member::Names(index) = *member else {
                continue;
            };
            let found = scanner.found(place);
            if found.is_some_and(|found| found.lookalikes > 0)
                && !members.ignores(index)
                && let Some(naming) = NAMING.get(index)
            {
                self.refuse(naming.name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
