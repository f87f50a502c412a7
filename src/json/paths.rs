//! The paths of the wanted members as a tree, so that a name is compared with few others, whatever is wanted.

use super::{Wanted, bit};

/// The most segments that the path of a [`Wanted`] may have; a longer path never matches.
pub const MAX_PATH: usize = 8;

/// The most members that one scanner can look for; those after it are never found.
pub const MAX_WANTED: usize = 64;

/// Stands for every element of an array.
const ELEMENT: &str = "[]";

/// A place in [`Paths`].
pub(super) type Place = usize;

/// The top of a document.
pub(super) const ROOT: Place = 0;
/// No wanted path comes here; every look-up of it gives `None`.
pub(super) const NOWHERE: Place = usize::MAX;

/// A segment of one or more paths.
#[derive(Debug)]
pub(super) struct Node {
    name: &'static str,
    /// Which members end here.
    pub(super) ends: u64,
    /// Which members end here or further on.
    pub(super) within: u64,
    /// The elements, if what stands here is an array.
    pub(super) element: Place,
    first_child: Place,
    next_sibling: Place,
    /// One bit for each length that the name of a child has; the highest is for all longer ones.
    lengths: u64,
}

/// Built once for each list of wanted members, and shared by all scanners that look for them.
#[derive(Debug)]
pub struct Paths {
    pub(super) wanted: &'static [Wanted],
    nodes: Vec<Node>,
}

impl Paths {
    /// Makes the tree. At most [`MAX_WANTED`] members of at most [`MAX_PATH`] segments are taken.
    pub fn new(wanted: &'static [Wanted]) -> Self {
        debug_assert!(wanted.len() <= MAX_WANTED, "too many wanted members");
        let wanted = wanted.get(..MAX_WANTED).unwrap_or(wanted);
        let mut paths = Self {
            wanted,
            nodes: vec![Node::new("")],
        };
        for (index, want) in wanted.iter().enumerate() {
            debug_assert!(
                want.path.len() <= MAX_PATH,
                "path too long: {:?}",
                want.path
            );
            if want.path.len() > MAX_PATH {
                continue;
            }
            let mut place = ROOT;
            paths.mark(place, index);
            for segment in want.path {
                place = paths.child_or_new(place, segment);
                paths.mark(place, index);
            }
            if let Some(node) = paths.nodes.get_mut(place) {
                node.ends |= bit(index);
            }
        }
        paths
    }

    pub(super) fn node(&self, place: Place) -> Option<&Node> {
        self.nodes.get(place)
    }

    /// The member of the object at `place` that has this name, or `NOWHERE`.
    pub(super) fn child(&self, place: Place, name: &[u8]) -> Place {
        let possible = self
            .node(place)
            .is_some_and(|node| node.lengths & length_bit(name.len()) != 0);
        if !possible {
            return NOWHERE;
        }
        self.children(place)
            .find(|(_, node)| node.name.as_bytes() == name)
            .map_or(NOWHERE, |(child, _)| child)
    }

    /// Which members lie within the members of the object at `place` whose name passes.
    pub(super) fn within(&self, place: Place, pass: impl Fn(&str) -> bool) -> u64 {
        self.children(place)
            .filter(|(_, node)| pass(node.name))
            .fold(0, |within, (_, node)| within | node.within)
    }

    fn children(&self, place: Place) -> impl Iterator<Item = (Place, &Node)> {
        let mut next = self.node(place).map_or(NOWHERE, |node| node.first_child);
        std::iter::from_fn(move || {
            let child = next;
            let node = self.node(child)?;
            next = node.next_sibling;
            Some((child, node))
        })
    }

    fn mark(&mut self, place: Place, index: usize) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.within |= bit(index);
        }
    }

    fn child_or_new(&mut self, place: Place, segment: &'static str) -> Place {
        let known = match self.node(place) {
            Some(node) if segment == ELEMENT => node.element,
            _ => self.child(place, segment.as_bytes()),
        };
        if known != NOWHERE {
            return known;
        }
        let new = self.nodes.len();
        let mut child = Node::new(segment);
        if let Some(parent) = self.nodes.get_mut(place) {
            if segment == ELEMENT {
                parent.element = new;
            } else {
                child.next_sibling = parent.first_child;
                parent.first_child = new;
                parent.lengths |= length_bit(segment.len());
            }
        }
        self.nodes.push(child);
        new
    }
}

impl Node {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            ends: 0,
            within: 0,
            element: NOWHERE,
            first_child: NOWHERE,
            next_sibling: NOWHERE,
            lengths: 0,
        }
    }
}

fn length_bit(length: usize) -> u64 {
    bit(length.min(MAX_WANTED.saturating_sub(1)))
}
