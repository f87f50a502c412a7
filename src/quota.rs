//! Limits on requests, tokens and concurrent requests: how much each subject has used, and whether one more request fits.
//!
//! Each request has two moments. [`Limits::hold`] reserves its maximum cost as soon as the body has been judged, before the
//! server can answer. [`Limits::settle`] replaces the reservation with the actual cost, once, on every ending. Either all
//! limits that apply admit a request, or none of them is charged.
//!
//! The accounts are in a store that all workers of one proxy share ([`Ledger`]). There are no locks: an entry is read,
//! changed, and written only if no other worker has written it in between. So no count is lost, and what is admitted never
//! exceeds a limit, however many workers there are.

mod account;
mod limit;
mod limits;
mod machines;
#[cfg(not(target_os = "wasi"))]
mod memory;
mod record;
mod told;
mod window;

pub use self::limit::{Limit, Per, Selection};
pub use self::limits::{Budget, Holds, Left, Limits};
pub use self::machines::{Machines, TICK_MILLISECONDS};
#[cfg(not(target_os = "wasi"))]
pub use self::memory::Memory;
pub use self::told::headers;
pub use self::window::Window;
use crate::identity::Identity;
use crate::model_name::{ModelName, ModelPattern};
use crate::operation::Operation;
use crate::tenant::Groups;

/// The attempts to write an entry that other workers write too. Four workers in a tight loop need two hundred at worst; through
/// HTTP nearly none.
const MAX_TRIES: u32 = 1000;

/// The estimated tokens of an image or another file in a body.
const FILE_TOKENS: u64 = 1024;

/// The store failed, is full, or contains foreign data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// A store that all workers share.
pub trait Ledger {
    /// An entry and its version, or `None` if there is no entry.
    ///
    /// # Errors
    /// [`Unavailable`]
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable>;

    /// Writes an entry if it still has this version. Returns whether it was written.
    ///
    /// # Errors
    /// [`Unavailable`]
    fn store(&self, key: &str, bytes: &[u8], version: u32) -> Result<bool, Unavailable>;
}

/// Repeats an attempt until no other worker has written in between.
fn retry<T>(mut attempt: impl FnMut() -> Result<Option<T>, Unavailable>) -> Result<T, Unavailable> {
    for _ in 0..MAX_TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Unavailable)
}

/// The weight of a token, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// An input token that was not cached.
    pub input: u64,
    /// An input token from the server's cache.
    pub cached_input: u64,
    /// An output token.
    pub output: u64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            input: account::UNIT,
            cached_input: account::UNIT,
            output: account::UNIT,
        }
    }
}

/// The reservation for a request that does not state a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Output tokens of a request without a maximum.
    pub output_tokens: u64,
    /// Bytes of text per input token.
    pub bytes_per_token: u64,
}

/// The maximum cost of a request, in tokens.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    input: u64,
    /// The maximum output that the request states.
    output: u64,
    /// The output that is reserved as far as the limit has it left.
    more: u64,
}

impl Reserve {
    /// The maximum cost of a request, by its body.
    fn estimate(self, asked: &Asked) -> Estimate {
        let text = asked.text.div_ceil(self.bytes_per_token.max(1));
        let input = text.saturating_add(asked.data_urls.saturating_mul(FILE_TOKENS));
        let answers = asked.answers.max(1);
        let (output, more) = match asked.max_output {
            Some(most) => (most.saturating_mul(answers), 0),
            None => (0, self.output_tokens.saturating_mul(answers)),
        };
        Estimate {
            input,
            output,
            more,
        }
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            output_tokens: 1024,
            bytes_per_token: 4,
        }
    }
}

/// A setting for all models, with exceptions for some.
#[derive(Debug, Default)]
pub struct PerModel<T> {
    /// The setting of models without an exception.
    pub all: T,
    /// The exceptions: models and their setting. The first match counts.
    pub some: Vec<(Vec<ModelPattern>, T)>,
}

impl<T: Copy> PerModel<T> {
    /// The setting of a model.
    #[must_use]
    pub fn of(&self, model: Option<&ModelName>) -> T {
        let has = |patterns: &[ModelPattern]| {
            let name = model.map(ModelName::as_str);
            name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        let mut entries = self.some.iter();
        let found = entries.find(|(patterns, _)| has(patterns));
        found.map_or(self.all, |(_, setting)| *setting)
    }
}

/// The facts about a request that limits depend on.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// `None` for a caller without an identity.
    pub identity: Option<&'a Identity>,
    /// The names of the groups.
    pub groups: &'a Groups,
    /// `None` if it is not known yet, or the request has none.
    pub model: Option<&'a ModelName>,
    /// The requested operation.
    pub operation: Operation,
}

/// The facts in a body that its cost depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Bytes of its strings, without `data:` URLs.
    pub text: u64,
    /// How many `data:` URLs there are.
    pub data_urls: u64,
    /// The stated maximum of tokens of one answer.
    pub max_output: Option<u64>,
    /// The requested number of answers.
    pub answers: u64,
}

/// The actual cost of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Nothing: the request was refused, or no server has worked on it.
    Nothing,
    /// One request, and no tokens.
    Request,
    /// Tokens.
    Tokens {
        /// Input tokens, including cached ones, or their estimate.
        input: u64,
        /// Input tokens from the server's cache.
        cached_input: u64,
        /// Output tokens, or their estimate.
        output: u64,
    },
    /// Not known: the reservation counts.
    Unknown,
}

/// The effect of a store that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Failure {
    /// The request continues without limits.
    #[default]
    Open,
    /// The request is refused.
    Closed,
}
