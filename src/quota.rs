//! Limits on requests, tokens and requests at once: who has used how much, and whether there is enough for one more.
//!
//! A request is looked at twice. [`Limits::hold`] sets aside what it may cost, once it is known what is asked for and
//! before the server can answer; [`Limits::settle`] puts what it did cost in that place, once, on every ending. All limits
//! that apply admit a request, or none of them is charged.
//!
//! The accounts are in a store that all workers of one proxy share ([`Ledger`]). It knows no locks: an entry is read,
//! changed, and written only if nobody else has written it in between. So no count is lost, and the sum of what is
//! admitted never exceeds a limit, however many workers there are.

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

/// How often an entry is read anew because somebody else has written it. Four workers in a tight loop need two hundred at
/// worst; through HTTP nearly none.
const MAX_TRIES: u32 = 1000;

/// Tokens that an image or another file in a body counts for.
const FILE_TOKENS: u64 = 1024;

/// The store failed, is full, or holds what is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// A store that all workers share.
pub trait Ledger {
    /// An entry, and the number of its version; `None` where there is none.
    ///
    /// # Errors
    /// [`Unavailable`]
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable>;

    /// Writes an entry that still has this version. Returns whether it had.
    ///
    /// # Errors
    /// [`Unavailable`]
    fn store(&self, key: &str, bytes: &[u8], version: u32) -> Result<bool, Unavailable>;
}

/// Tries until nobody else has written in between.
fn retry<T>(mut attempt: impl FnMut() -> Result<Option<T>, Unavailable>) -> Result<T, Unavailable> {
    for _ in 0..MAX_TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Unavailable)
}

/// What a token counts, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// One of the input that no cache had.
    pub input: u64,
    /// One of the input that the server had in its cache.
    pub cached_input: u64,
    /// One of the output.
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

/// What is set aside for a request that does not say how much it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Tokens of output of a request that names no maximum.
    pub output_tokens: u64,
    /// Bytes of text that make a token of input.
    pub bytes_per_token: u64,
}

/// What a request may cost, in tokens.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    input: u64,
    /// The output that it names.
    output: u64,
    /// The output that is set aside as far as it is there.
    more: u64,
}

impl Reserve {
    /// What a request may cost by its body.
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

/// A setting for all models, and others for some.
#[derive(Debug, Default)]
pub struct PerModel<T> {
    /// Of what no entry has.
    pub all: T,
    /// The models of each entry, and their setting. The first that has a model counts.
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

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// `None` for a caller without an identity.
    pub identity: Option<&'a Identity>,
    /// The names of the groups.
    pub groups: &'a Groups,
    /// `None` where it is not known yet, or there is none.
    pub model: Option<&'a ModelName>,
    /// What is asked for.
    pub operation: Operation,
}

/// What a body says of its cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Bytes of its strings, without `data:` URLs.
    pub text: u64,
    /// How many `data:` URLs there are.
    pub data_urls: u64,
    /// Tokens that one answer may have; `None` where it does not say.
    pub max_output: Option<u64>,
    /// Answers that are asked for.
    pub answers: u64,
}

/// What a request did cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Nothing: it was refused, or no server has worked on it.
    Nothing,
    /// The server took it, and no tokens came of it.
    Request,
    /// So many tokens.
    Tokens {
        /// Of the input, cached ones among them; `None` where only an estimate from the request is to be had.
        input: Option<u64>,
        /// Of the input, from the server's cache.
        cached_input: u64,
        /// Of the output, or the estimate.
        output: u64,
    },
    /// Nobody knows: what was set aside stands.
    Unknown,
}

/// How a store that fails is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Failure {
    /// The request goes on without its limits.
    #[default]
    Open,
    /// The request is refused.
    Closed,
}
