//! The paths of the wanted members as a tree, so that each name is compared with few others.

use std::borrow::Cow;

use super::{NameSet, Wanted, bit};

/// The most segments that the path of a [`Wanted`] may have; a longer path never matches.
pub const MAX_PATH: usize = 8;

/// The most members that one scanner can look for. Members after that are never found.
pub const MAX_WANTED: usize = 64;

/// Means every element of an array.
const ELEMENT: &str = "[]";

/// A place in [`Paths`]. It is small because each node has many.
pub(super) type Place = u16;

/// The top of a document.
pub(super) const ROOT: Place = 0;
/// A place on no wanted path. Look-ups return `None`.
pub(super) const NOWHERE: Place = Place::MAX;

/// The bits by which children are distinguished before their names are compared.
const BUCKETS: usize = 64;

/// A segment of one or more paths.
#[derive(Debug)]
pub(super) struct Node {
    name: &'static str,
    /// The members that end here.
    pub(super) ends: u64,
    /// The members that end here or below.
    pub(super) within: u64,
    /// The elements, if the value here is an array.
    pub(super) element: Place,
    /// The members, if the value here is an object.
    children: Vec<Place>,
    /// True if each of its members is looked up in the set of names.
    is_watched: bool,
    /// The last child of each bucket, and for each child the one before it in its bucket.
    buckets: [Place; BUCKETS],
    bucket_next: Place,
}

/// Built once for each list of wanted members, and shared by all scanners that look for them.
#[derive(Debug)]
pub struct Paths {
    pub(super) wanted: Cow<'static, [Wanted]>,
    nodes: Vec<Node>,
    /// The place of a member whose name is in the set, and the set.
    watch: Option<(Place, NameSet)>,
}

impl Paths {
    /// Makes the tree, from at most [`MAX_WANTED`] members of at most [`MAX_PATH`] segments.
    pub fn new(wanted: &'static [Wanted]) -> Self {
        debug_assert!(wanted.len() <= MAX_WANTED, "too many wanted members");
        let wanted = wanted.get(..MAX_WANTED).unwrap_or(wanted);
        let mut paths = Self {
            wanted: wanted.into(),
            nodes: vec![Node::new("")],
            watch: None,
        };
        for (index, want) in wanted.iter().enumerate() {
            paths.add(index, want.path);
        }
        paths.nodes.shrink_to_fit();
        paths
    }

    /// Also looks for every member of the objects at these places that is in the set of names, in any spelling. Its
    /// index is the one after those of the wanted members; [`Found::name`](super::Found::name) has the name, and that
    /// many bytes of its value are kept. For strict documents only. A member that is wanted too is only found in the
    /// set.
    #[must_use]
    pub fn watching(mut self, places: &[&[&'static str]], names: NameSet, cap: usize) -> Self {
        let index = self.wanted.len();
        for path in places {
            let mut place = ROOT;
            for segment in *path {
                place = self.child_or_new(place, segment);
            }
            if let Some(node) = self.nodes.get_mut(usize::from(place)) {
                node.is_watched = true;
            }
        }
        let mut node = Node::new("");
        node.ends = bit(index);
        node.within = bit(index);
        let place = Place::try_from(self.nodes.len()).unwrap_or(NOWHERE);
        self.nodes.push(node);
        self.wanted.to_mut().push(Wanted { path: &[], cap });
        self.watch = Some((place, names));
        self
    }

    /// Also finds the wanted member of the path `known` at each of these places, as one member: whoever only wants to know of
    /// each value needs no more. Two of them must not be kept at once, so the member must have no cap.
    #[must_use]
    pub fn also(mut self, known: &[&str], places: &[&[&'static str]]) -> Self {
        let index = self.wanted.iter().position(|want| want.path == known);
        debug_assert!(index.is_some(), "no such member: {known:?}");
        for path in places {
            if let Some(index) = index {
                self.add(index, path);
            }
        }
        self.nodes.shrink_to_fit();
        self
    }

    /// The number of members that can be found.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// The place of this member of the object at `place` if the set of names has it, and its number there.
    pub(super) fn watched(&self, place: Place, name: &[u8]) -> Option<(Place, u16)> {
        let (watched, names) = self.watch.as_ref()?;
        self.node(place).filter(|node| node.is_watched)?;
        Some((*watched, names.find(name)?))
    }

    pub(super) fn node(&self, place: Place) -> Option<&Node> {
        self.nodes.get(usize::from(place))
    }

    /// The member of the object at `place` that has this name, or `NOWHERE`.
    pub(super) fn child(&self, place: Place, name: &[u8]) -> Place {
        let mut child = match self.node(place) {
            Some(node) => node.buckets.get(bucket(name)).copied().unwrap_or(NOWHERE),
            None => NOWHERE,
        };
        while let Some(node) = self.node(child) {
            if node.name.as_bytes() == name {
                break;
            }
            child = node.bucket_next;
        }
        child
    }

    /// The wanted members below those members of the object at `place` whose name passes.
    pub(super) fn within(&self, place: Place, pass: impl Fn(&str) -> bool) -> u64 {
        let children = self.node(place).map_or(&[][..], |node| &node.children);
        children
            .iter()
            .filter_map(|&child| self.node(child))
            .filter(|node| pass(node.name))
            .fold(0, |within, node| within | node.within)
    }

    fn add(&mut self, index: usize, path: &[&'static str]) {
        debug_assert!(path.len() <= MAX_PATH, "path too long: {path:?}");
        if path.len() > MAX_PATH {
            return;
        }
        let mut place = ROOT;
        self.mark(place, index);
        for segment in path {
            place = self.child_or_new(place, segment);
            self.mark(place, index);
        }
        if let Some(node) = self.nodes.get_mut(usize::from(place)) {
            node.ends |= bit(index);
        }
    }

    fn mark(&mut self, place: Place, index: usize) {
        if let Some(node) = self.nodes.get_mut(usize::from(place)) {
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
        let new = Place::try_from(self.nodes.len()).unwrap_or(NOWHERE);
        let mut child = Node::new(segment);
        if let Some(parent) = self.nodes.get_mut(usize::from(place)) {
            if segment == ELEMENT {
                parent.element = new;
            } else {
                parent.children.push(new);
                if let Some(first) = parent.buckets.get_mut(bucket(segment.as_bytes())) {
                    child.bucket_next = std::mem::replace(first, new);
                }
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
            children: Vec::new(),
            is_watched: false,
            buckets: [NOWHERE; BUCKETS],
            bucket_next: NOWHERE,
        }
    }
}

/// Equal for equal names, and mostly different for others.
fn bucket(name: &[u8]) -> usize {
    let first = name.first().copied().map_or(0, usize::from);
    let last = name.last().copied().map_or(0, usize::from);
    let sum = name.len().wrapping_add(first).wrapping_add(last << 1);
    sum % BUCKETS
}
