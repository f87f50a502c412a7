//! What is generated: words, or calls of tools.

use serde_json::Value;

use crate::refusal::Refusal;
use crate::request::{Length, Request};
use crate::tools::{self, Call};

pub(crate) struct Answer {
    /// Where there are any, nothing else is said.
    pub(crate) calls: Vec<Call>,
    length: Length,
}

impl Answer {
    /// The answer to a conversation (`messages` or `input`), as long as the first of these members says that is given.
    pub(crate) fn new(
        request: &Request,
        conversation: &Value,
        prompt_tokens: u64,
        limits: &[&'static str],
    ) -> Result<Self, Refusal> {
        Ok(Self {
            calls: tools::calls(request, conversation),
            length: request.length(limits, prompt_tokens)?,
        })
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.calls.iter().map(Call::tokens).sum::<u64>() + self.words()
    }

    /// How many words are said, each of which is a token.
    pub(crate) fn words(&self) -> u64 {
        if self.calls.is_empty() {
            self.length.tokens
        } else {
            0
        }
    }

    /// Whether it was cut at the number of tokens that the client allowed. Calls never are.
    pub(crate) fn limited(&self) -> bool {
        self.calls.is_empty() && self.length.limited
    }
}
