//! The members that one reader wants, each with its meaning for the reader.

use super::Wanted;

/// Rows in any order. A reader uses the tag of a row and never its position, so a row can be inserted anywhere.
#[derive(Debug)]
pub(crate) struct Table<Tag: 'static, const ROWS: usize> {
    /// The wanted members for [`Paths`](super::Paths).
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

    /// The meaning of the member to which a scanner gives this index.
    #[inline]
    pub(crate) fn tag(&self, index: usize) -> Option<Tag> {
        self.tags.get(index).copied()
    }

    /// All tags, in the order of their members.
    pub(crate) const fn tags(&self) -> &[Tag; ROWS] {
        &self.tags
    }

    /// The rows in reverse order, for tests that results do not depend on the order.
    #[cfg(test)]
    pub(crate) fn reversed(&self) -> &'static Self {
        let (mut wanted, mut tags) = (self.wanted, self.tags);
        wanted.reverse();
        tags.reverse();
        Box::leak(Box::new(Self { wanted, tags }))
    }
}
