//! The measures of limits.

use crate::rows::named;

named! {
    /// The measure of a limit.
    pub enum Measure {
        /// Requests that reach a server.
        Requests = "requests",
        /// Input and output tokens.
        Tokens = "tokens",
        /// Input tokens.
        InputTokens = "inputTokens",
        /// Output tokens.
        OutputTokens = "outputTokens",
        /// Concurrent requests.
        Concurrent = "concurrent",
    }
    /// The name in the configuration.
    fn as_str;
}

impl Measure {
    /// Returns true if it counts tokens.
    #[must_use]
    pub const fn is_of_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::InputTokens | Self::OutputTokens)
    }

    /// The unit, in messages.
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
