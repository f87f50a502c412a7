//! YAML and JSON as trees with line numbers. Plain scalars have the same meaning as in `kubectl` (sigs.k8s.io/yaml,
//! which is YAML 1.1: `yes` is true, a date stays a string). A construct that two readers may read differently is a
//! fault.

mod scalar;

use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use serde::ser::{Serialize, SerializeMap, Serializer};

use self::scalar::{name, scalar};

/// No file for Envoy or Kubernetes is nested deeper.
const DEEPEST: usize = 100;
/// The limit for a tree with its aliases expanded. A small file can expand to a huge one.
const LARGEST: usize = 4_000_000;

/// A problem with the file itself. It repeats names, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) message: String,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Counted from 0, in characters.
    pub(crate) column: usize,
}

impl From<Marker> for Mark {
    fn from(marker: Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Where its text begins.
    pub(crate) start: Mark,
    /// Where its text ends; of a list or map without brackets, that of what is in it.
    pub(crate) end: Mark,
    pub(crate) value: Value,
    /// The number of nodes with all aliases expanded.
    size: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Number(serde_json::Number),
    Text(Text),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    style: ScalarStyle,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) node: Rc<Node>,
    merged: bool,
}

impl Node {
    /// `end` is where the event after its last part ends, and the last part itself decides where that is nothing.
    fn new(start: Mark, end: Span, value: Value) -> Self {
        let last = match &value {
            Value::List(items) => items.last(),
            Value::Map(entries) => entries.last().map(|entry| &entry.node),
            _ => None,
        };
        let end = match last {
            Some(last) if end.start.index() == end.end.index() => last.end,
            _ => end.end.into(),
        };
        let below: usize = match &value {
            Value::List(items) => sum(items.iter()),
            Value::Map(entries) => sum(entries.iter().map(|entry| &entry.node)),
            _ => 0,
        };
        Self {
            line: start.line,
            start,
            end,
            value,
            size: below.saturating_add(1),
        }
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Rc<Self>> {
        self.entries()
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &entry.node)
    }

    /// The node below some names.
    pub(crate) fn at(&self, names: &[&str]) -> Option<&Self> {
        names
            .iter()
            .try_fold(self, |node, name| node.member(name).map(Rc::as_ref))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Rc<Self>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// Whether its lines are those of the file, each behind the same indentation.
    pub(crate) const fn is_literal(&self) -> bool {
        matches!(&self.value, Value::Text(text) if matches!(text.style, ScalarStyle::Literal))
    }

    /// The line of the file on which line `line` (from 1) of this text stands. Only a literal block keeps its lines; the
    /// parser says where its first line that is not blank is.
    pub(crate) fn line_within(&self, line: usize) -> usize {
        match &self.value {
            Value::Text(text) if text.style == ScalarStyle::Literal => {
                let blank = text.text.bytes().take_while(|byte| *byte == b'\n').count();
                let before = blank.saturating_add(1);
                self.line.saturating_add(line).saturating_sub(before)
            }
            _ => self.line,
        }
    }

    /// The line of a path such as `keys[2].keyHash` or `models.llama-3.1-8b`, or of the innermost part of it that
    /// exists. Names may contain dots, so the longest match is used.
    pub(crate) fn line_of(&self, path: &str) -> Option<usize> {
        let path = path.strip_prefix('.').unwrap_or(path);
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let item = self.items().get(index.parse::<usize>().ok()?)?;
            return Some(item.line_of(rest).unwrap_or(item.line));
        }
        let fitting = self.entries().iter().filter_map(|entry| {
            let rest = path.strip_prefix(entry.name.as_str())?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then_some((entry, rest))
        });
        let (entry, rest) = fitting.max_by_key(|(entry, _)| entry.name.len())?;
        Some(entry.node.line_of(rest).unwrap_or(entry.line))
    }
}

fn sum<'a>(nodes: impl Iterator<Item = &'a Rc<Node>>) -> usize {
    nodes.fold(0, |sum, node| sum.saturating_add(node.size))
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(&text.text),
            Value::List(items) => serializer.collect_seq(items.iter().map(Rc::as_ref)),
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    map.serialize_entry(&entry.name, entry.node.as_ref())?;
                }
                map.end()
            }
        }
    }
}

/// All documents of a text, and its problems. Reading stops at a syntax error.
pub(crate) fn read(text: &str) -> (Vec<Rc<Node>>, Vec<Flaw>) {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: Vec::new(),
        path: Vec::new(),
        flaws: Vec::new(),
        documents: Vec::new(),
    };
    if let Err(flaw) = reader.stream() {
        reader.flaws.push(flaw);
    }
    (reader.documents, reader.flaws)
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// By the parser's numbers.
    anchors: Vec<(usize, Rc<Node>)>,
    /// Names with their punctuation: `keys`, `[2]`, `.keyHash`.
    path: Vec<String>,
    flaws: Vec<Flaw>,
    documents: Vec<Rc<Node>>,
}

impl<'t> Reader<'t> {
    fn stream(&mut self) -> Result<(), Flaw> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                _ => {
                    let document = self.node(event, span)?;
                    self.documents.push(document);
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Flaw> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                // Only this message of the parser repeats a part of the file.
                let message = match error.info() {
                    info if info.contains('`') => "unexpected character",
                    info => info,
                };
                Err(Flaw {
                    line: error.marker().line(),
                    path: String::new(),
                    message: format!("neither YAML nor JSON: {message}"),
                })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn flaw(&self, line: usize, message: impl Into<String>) -> Flaw {
        let path = self.path.concat();
        Flaw {
            line,
            path: path.strip_prefix('.').unwrap_or(&path).to_owned(),
            message: message.into(),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Rc<Node>, Flaw> {
        let line = span.start.line();
        let mut end = span;
        if self.path.len() > DEEPEST {
            return Err(self.flaw(line, format!("nested deeper than {DEEPEST} levels")));
        }
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.iter().rev().find(|(id, _)| *id == anchor);
                // An anchor that is still being read would contain itself.
                return match known {
                    Some((_, node)) => Ok(Rc::clone(node)),
                    None => Err(self.flaw(line, "an alias within its own anchor")),
                };
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text.into_owned(), style, tag.as_deref());
                (anchor, value)
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(&mut end)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(&mut end)?),
            _ => return Err(self.flaw(line, "neither YAML nor JSON")),
        };
        let node = Rc::new(Node::new(span.start.into(), end, value));
        if node.size > LARGEST {
            return Err(self.flaw(line, "too large with its aliases expanded"));
        }
        if anchor != 0 {
            self.anchors.push((anchor, Rc::clone(&node)));
        }
        Ok(node)
    }

    /// `end` is set to the place of the event that ends it.
    fn list(&mut self, end: &mut Span) -> Result<Value, Flaw> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                *end = span;
                return Ok(Value::List(items));
            }
            self.path.push(format!("[{}]", items.len()));
            items.push(self.node(event, span)?);
            self.path.pop();
        }
    }

    /// `end` is set to the place of the event that ends it.
    fn map(&mut self, end: &mut Span) -> Result<Value, Flaw> {
        let mut entries: Vec<Entry> = Vec::new();
        // An index by name, because a map may have 100,000 entries.
        let mut places = std::collections::HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let (name, merges) = match event {
                Event::MappingEnd => {
                    *end = span;
                    return Ok(Value::Map(entries));
                }
                Event::Scalar(text, style, _, tag) => {
                    let merges = style == ScalarStyle::Plain && tag.is_none() && text == "<<";
                    (
                        name(scalar(text.into_owned(), style, tag.as_deref())),
                        merges,
                    )
                }
                _ => (None, false),
            };
            let Some(name) = name else {
                return Err(self.flaw(
                    line,
                    "expected a name before `:`, not a list, object, alias or null",
                ));
            };
            let (event, span) = self.next()?;
            if merges {
                let merged = self.node(event, span)?;
                self.merge(line, &merged, &mut entries, &mut places);
                continue;
            }
            self.path.push(segment(&name));
            let node = self.node(event, span)?;
            let entry = Entry {
                name,
                line,
                node,
                merged: false,
            };
            match places
                .get(&entry.name)
                .copied()
                .and_then(|at: usize| entries.get_mut(at))
            {
                Some(earlier) => {
                    if !earlier.merged {
                        self.flaws
                            .push(self.flaw(line, "duplicate name; expected each name once"));
                    }
                    *earlier = entry;
                }
                None => {
                    places.insert(entry.name.clone(), entries.len());
                    entries.push(entry);
                }
            }
            self.path.pop();
        }
    }

    /// `<<`: the members of one map, or of each in a list, where the first wins.
    fn merge(
        &mut self,
        line: usize,
        merged: &Node,
        entries: &mut Vec<Entry>,
        places: &mut std::collections::HashMap<String, usize>,
    ) {
        let maps: Vec<&Node> = match &merged.value {
            Value::List(items) => items.iter().map(Rc::as_ref).collect(),
            _ => vec![merged],
        };
        if !maps.iter().all(|map| matches!(map.value, Value::Map(_))) {
            let flaw = self.flaw(line, "expected an object after `<<`, or a list of objects");
            self.flaws.push(flaw);
        }
        for entry in maps.into_iter().flat_map(Node::entries) {
            match places.get(&entry.name).and_then(|at| entries.get(*at)) {
                Some(own) if !own.merged => {
                    self.path.push(segment(&entry.name));
                    self.flaws.push(self.flaw(line, "a name before a `<<` that contains it too, of which kubectl takes the other value; expected it after the `<<`"));
                    self.path.pop();
                }
                Some(_) => {}
                None => {
                    places.insert(entry.name.clone(), entries.len());
                    entries.push(Entry {
                        name: entry.name.clone(),
                        line: entry.line,
                        node: Rc::clone(&entry.node),
                        merged: true,
                    });
                }
            }
        }
    }
}

/// A name as a part of a path. The name of a field has only letters; other text may be a misplaced key.
fn segment(name: &str) -> String {
    let is_field = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    format!(".{}", if is_field { name } else { "…" })
}

#[cfg(test)]
mod tests;
