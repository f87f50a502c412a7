//! The members that one reader wants, each with what it means to the reader.

use super::Wanted;

/// Rows in any order: a reader goes by the tag of a row and never by its place, so that a row can be put in anywhere.
#[derive(Debug)]
pub(crate) struct Table<Tag: 'static, const ROWS: usize> {
    /// What [`Paths`](super::Paths) are made of.
    pub(crate) wanted: [Wanted; ROWS],
    tags: [Tag; ROWS],
}

impl<Tag: Copy, const ROWS: usize> Table<Tag, ROWS> {
    #[allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "evaluated by the compiler, which would refuse what panics"
    )]
    pub(crate) const fn new(rows: &[(Tag, Wanted); ROWS]) -> Self {
        let (tag, wanted) = rows[0];
        let mut table = Self {
            wanted: [wanted; ROWS],
            tags: [tag; ROWS],
        };
        let mut index = 0;
        while index < ROWS {
            (table.tags[index], table.wanted[index]) = rows[index];
            index += 1;
        }
        table
    }

    /// What the member means that a scanner gives this index.
    #[inline]
    pub(crate) fn tag(&self, index: usize) -> Option<Tag> {
        self.tags.get(index).copied()
    }

    /// All tags, each at the index of its member.
    pub(crate) const fn tags(&self) -> &[Tag; ROWS] {
        &self.tags
    }

    /// The last row first, for tests of what must not depend on the order.
    #[cfg(test)]
    pub(crate) fn reversed(&self) -> &'static Self {
        let (mut wanted, mut tags) = (self.wanted, self.tags);
        wanted.reverse();
        tags.reverse();
        Box::leak(Box::new(Self { wanted, tags }))
    }
}
