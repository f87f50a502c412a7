//! What a limit counts.

use crate::rows::named;

named! {
    /// What a limit counts.
    pub enum Measure {
        /// Requests that reach a server.
        Requests = "requests",
        /// Tokens of input and output.
        Tokens = "tokens",
        /// Tokens of the input alone.
        InputTokens = "inputTokens",
        /// Tokens of the output alone.
        OutputTokens = "outputTokens",
        /// Requests that are being served.
        Concurrent = "concurrent",
    }
    /// The name, as the configuration has it.
    fn as_str;
}

impl Measure {
    /// Whether it counts tokens.
    #[must_use]
    pub const fn is_of_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::InputTokens | Self::OutputTokens)
    }

    /// What people call it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::Concurrent => "requests at once",
        }
    }
}
