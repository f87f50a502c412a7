//! The members that are looked for, each with what it means.

use super::naming::{NAME, NAMING};
use crate::json::{Found, Scanner, Table, Wanted};

/// Numbers of a count.
pub(super) const NUMBER: usize = 20;
/// Literals, and nothing longer.
pub(super) const LITERAL: usize = 5;

/// What a member means to the reader of a body. One that has no row here is one of those that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Read(Read),
    /// Names further models; the index is that of [`NAMING`].
    Names(usize),
}

/// A member that is read for its own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Model,
    Background,
    Stream,
    StreamOptions,
    IncludeUsage,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    Answers,
}

const READ: [(Read, Wanted); 9] = [
    (Read::Model, wanted(&["model"], NAME)),
    (Read::Background, wanted(&["background"], LITERAL)),
    (Read::Stream, wanted(&["stream"], LITERAL)),
    (Read::StreamOptions, wanted(&["stream_options"], LITERAL)),
    (
        Read::IncludeUsage,
        wanted(&["stream_options", "include_usage"], LITERAL),
    ),
    (Read::MaxTokens, wanted(&["max_tokens"], NUMBER)),
    (
        Read::MaxCompletionTokens,
        wanted(&["max_completion_tokens"], NUMBER),
    ),
    (
        Read::MaxOutputTokens,
        wanted(&["max_output_tokens"], NUMBER),
    ),
    (Read::Answers, wanted(&["n"], NUMBER)),
];

const ROWS: usize = READ.len() + NAMING.len();

pub(super) static MEMBERS: Table<Member, ROWS> = Table::new(&rows());

/// The member that a scanner gives this index.
#[inline]
pub(crate) fn member(index: usize) -> Option<Member> {
    MEMBERS.tag(index)
}

impl Read {
    /// What a body has said in this member so far.
    #[inline]
    pub(crate) fn found(self, scanner: &Scanner) -> Option<&Found> {
        scanner.found(match self {
            Self::Model => const { Self::Model.place() },
            Self::Background => const { Self::Background.place() },
            Self::Stream => const { Self::Stream.place() },
            Self::StreamOptions => const { Self::StreamOptions.place() },
            Self::IncludeUsage => const { Self::IncludeUsage.place() },
            Self::MaxTokens => const { Self::MaxTokens.place() },
            Self::MaxCompletionTokens => const { Self::MaxCompletionTokens.place() },
            Self::MaxOutputTokens => const { Self::MaxOutputTokens.place() },
            Self::Answers => const { Self::Answers.place() },
        })
    }

    /// The index that a scanner knows the member by.
    #[allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "evaluated by the compiler, which would refuse what panics"
    )]
    const fn place(self) -> usize {
        let mut place = 0;
        while !matches!(MEMBERS.tags()[place], Member::Read(read) if read as u8 == self as u8) {
            place += 1;
        }
        place
    }
}

const fn wanted(path: &'static [&'static str], cap: usize) -> Wanted {
    Wanted { path, cap }
}

#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse what panics"
)]
const fn rows() -> [(Member, Wanted); ROWS] {
    let (read, first) = READ[0];
    let mut rows = [(Member::Read(read), first); ROWS];
    let mut index = 0;
    while index < READ.len() {
        let (read, wanted) = READ[index];
        rows[index] = (Member::Read(read), wanted);
        index += 1;
    }
    let mut index = 0;
    while index < NAMING.len() {
        let naming = &NAMING[index];
        let wanted = wanted(naming.path, naming.shape.cap());
        rows[READ.len() + index] = (Member::Names(index), wanted);
        index += 1;
    }
    rows
}
