//! Changes of the keys of a configuration in the text that holds it. Comments, order and layout of the rest stay.

use std::iter;

use serde_json::Value;

use super::Configuration;
use crate::yaml::{self, Mark, Node};

/// What is changed, in the text that the nodes of a configuration stand in.
struct Edit {
    at: Mark,
    /// How many characters behind it go.
    delete: usize,
    insert: String,
}

/// The text with one more key at the end of `keys`, which is made where there is none; `entry` is its object. `None` where the
/// list is laid out in a way that this cannot add to.
pub(crate) fn add_key(text: &str, configuration: &Configuration, entry: &Value) -> Option<String> {
    let tree = configuration.tree.as_ref()?;
    let layout = Layout::of(text, configuration);
    let list = tree.entries().iter().find(|member| member.name == "keys");
    let Some(list) = list else {
        return layout.apply(layout.with_list(tree, entry)?);
    };
    let keys = &list.node;
    let is_flow = layout.begins_with(keys.start, '[');
    let edit = match keys.items().last() {
        None if is_flow => Edit {
            at: Mark {
                column: keys.start.column.saturating_add(1),
                ..keys.start
            },
            delete: 0,
            insert: json(entry),
        },
        None => {
            let head = Mark {
                line: list.line,
                column: 0,
            };
            let (_, rest) = layout.line(list.line)?.split_once(':')?;
            let rest = rest.trim();
            let is_left_open = rest.is_empty() || rest.starts_with('#');
            Edit {
                at: layout.end_of_line(head).filter(|_| is_left_open)?,
                delete: 0,
                insert: in_block(tree.start.column, members(entry)),
            }
        }
        Some(last) if is_flow => Edit {
            at: last.end,
            delete: 0,
            insert: format!(",{}{}", layout.gap_before(last.start)?, json(entry)),
        },
        Some(last) => {
            let column = layout.dash_before(last.start)?;
            Edit {
                at: layout.end_of_line(last.end)?,
                delete: 0,
                insert: if layout.begins_with(last.start, '{') {
                    in_block(column, iter::once(json(entry)))
                } else {
                    in_block(column, members(entry))
                },
            }
        }
    };
    layout.apply(edit)
}

/// The text with this member of the key at `index` set to a scalar.
pub(crate) fn set_member(
    text: &str,
    configuration: &Configuration,
    index: usize,
    name: &str,
    value: &Value,
) -> Option<String> {
    let keys = configuration.tree.as_ref()?.member("keys")?;
    let key = keys.items().get(index)?;
    let layout = Layout::of(text, configuration);
    if let Some(old) = key.member(name) {
        let end = layout.end_of(old)?;
        return layout.apply(Edit {
            at: old.start,
            delete: end.column.checked_sub(old.start.column)?,
            insert: value.to_string(),
        });
    }
    let edit = if layout.begins_with(key.start, '{') {
        layout.with_member(key, name, &value.to_string())?
    } else {
        Edit {
            at: layout.end_of_line(key.end)?,
            delete: 0,
            insert: format!("\n{}{name}: {value}", " ".repeat(key.start.column)),
        }
    };
    layout.apply(edit)
}

/// The lines of one entry of a list, with its dash at this column.
fn in_block(column: usize, lines: impl Iterator<Item = String>) -> String {
    let pad = " ".repeat(column);
    let dashes = iter::once("- ").chain(iter::repeat("  "));
    let lines = lines.zip(dashes);
    lines
        .map(|(line, dash)| format!("\n{pad}{dash}{line}"))
        .collect()
}

/// The lines of an entry in YAML. Texts are quoted as in JSON, so that none is taken for a number or a date.
pub(crate) fn members(entry: &Value) -> impl Iterator<Item = String> {
    in_order(entry).map(|(name, value)| format!("{name}: {value}"))
}

/// An entry as JSON on one line.
fn json(entry: &Value) -> String {
    let members = in_order(entry).map(|(name, value)| format!("{}: {value}", Value::from(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

/// The members of an entry, whose it is first.
fn in_order(entry: &Value) -> impl Iterator<Item = (&str, &Value)> {
    const FIRST: [&str; 3] = ["id", "tenant", "keyHash"];
    let members = entry.as_object().into_iter().flatten();
    let mut members: Vec<(&str, &Value)> = members
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name);
    members.sort_by_key(|(name, _)| (place(name).unwrap_or(FIRST.len()), (*name).to_owned()));
    members.into_iter()
}

/// The text of a file, and the texts within it down to the one that the nodes of a configuration stand in.
struct Layout<'t> {
    file: &'t str,
    holders: &'t [std::rc::Rc<Node>],
}

impl<'t> Layout<'t> {
    fn of(file: &'t str, configuration: &'t Configuration) -> Self {
        Self {
            file,
            holders: &configuration.tree_lines.holders,
        }
    }

    /// `keys` with this entry, behind all that a configuration has.
    fn with_list(&self, tree: &Node, entry: &Value) -> Option<Edit> {
        if self.begins_with(tree.start, '{') {
            return self.with_member(tree, "keys", &format!("[{}]", json(entry)));
        }
        let column = tree.start.column;
        let (pad, entry) = (" ".repeat(column), in_block(column, members(entry)));
        Some(Edit {
            at: self.end_of_line(tree.end)?,
            delete: 0,
            insert: format!("\n{pad}keys:{entry}"),
        })
    }

    /// One more member at the end of an object in braces.
    fn with_member(&self, object: &Node, name: &str, value: &str) -> Option<Edit> {
        let last = object.entries().last()?;
        let gap = if last.line == object.start.line {
            " ".to_owned()
        } else {
            format!("\n{}", self.indentation(last.line)?)
        };
        Some(Edit {
            at: self.end_of(&last.node)?,
            delete: 0,
            insert: format!(",{gap}{}: {value}", Value::from(name)),
        })
    }

    fn innermost(&self) -> &'t str {
        self.text_at(self.holders.len())
    }

    /// The text at this depth; the file is at 0.
    fn text_at(&self, depth: usize) -> &'t str {
        let holder = depth
            .checked_sub(1)
            .and_then(|index| self.holders.get(index));
        holder.and_then(|holder| holder.text()).unwrap_or(self.file)
    }

    fn line(&self, number: usize) -> Option<&'t str> {
        line(self.innermost(), number)
    }

    fn begins_with(&self, at: Mark, letter: char) -> bool {
        self.line(at.line)
            .and_then(|line| line.chars().nth(at.column))
            == Some(letter)
    }

    fn indentation(&self, number: usize) -> Option<&'t str> {
        let line = self.line(number)?;
        let rest = line.trim_start();
        line.strip_suffix(rest)
    }

    /// What stands between two entries in brackets: a space, or the end of a line and the indentation of this one.
    fn gap_before(&self, at: Mark) -> Option<String> {
        let indentation = self.indentation(at.line)?;
        Some(if indentation.chars().count() == at.column {
            format!("\n{indentation}")
        } else {
            " ".to_owned()
        })
    }

    /// Where a value ends. The parser takes the white space and the comment behind a quote as a part of it.
    fn end_of(&self, node: &Node) -> Option<Mark> {
        if !matches!(node.value, yaml::Value::List(_) | yaml::Value::Map(_)) {
            let line = self.line(node.start.line)?;
            let (_, rest) = line.split_at_checked(nth(line, node.start.column)?)?;
            return Some(Mark {
                column: node.start.column.saturating_add(scalar_length(rest)?),
                ..node.start
            });
        }
        (node.end.line > node.start.line || node.end.column > node.start.column).then_some(node.end)
    }

    /// The column of the dash of an entry that begins here.
    fn dash_before(&self, at: Mark) -> Option<usize> {
        let line = self.line(at.line)?;
        let (before, _) = line.split_at_checked(nth(line, at.column)?)?;
        Some(before.trim_end().strip_suffix('-')?.chars().count())
    }

    fn end_of_line(&self, at: Mark) -> Option<Mark> {
        let column = self.line(at.line)?.trim_end().chars().count();
        Some(Mark { column, ..at })
    }

    /// The file with the edit. `None` where a text within it does not keep its lines.
    fn apply(&self, mut edit: Edit) -> Option<String> {
        for (depth, holder) in self.holders.iter().enumerate().rev() {
            let inner = line(self.text_at(depth.saturating_add(1)), edit.at.line)?;
            let number = holder.line_within(edit.at.line);
            let indentation = line(self.text_at(depth), number)?.strip_suffix(inner)?;
            if !holder.is_literal() || !indentation.bytes().all(|byte| byte == b' ') {
                return None;
            }
            edit.insert = edit.insert.replace('\n', &format!("\n{indentation}"));
            edit.at = Mark {
                line: number,
                column: edit.at.column.saturating_add(indentation.len()),
            };
        }
        let before: usize = self
            .file
            .split_inclusive('\n')
            .take(edit.at.line.checked_sub(1)?)
            .map(str::len)
            .sum();
        let (above, rest) = self.file.split_at_checked(before)?;
        let start = nth(rest, edit.at.column)?;
        let (left, rest) = rest.split_at_checked(start)?;
        let (_, right) = rest.split_at_checked(nth(rest, edit.delete)?)?;
        let end = if self.file.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let insert = edit.insert.replace('\n', end);
        Some(format!("{above}{left}{insert}{right}"))
    }
}

/// How many characters a scalar has at the beginning of this text. `None` where it goes on in the next line, or is a block.
fn scalar_length(text: &str) -> Option<usize> {
    let mut letters = text.chars().enumerate().peekable();
    let quote = match letters.peek()? {
        (_, '|' | '>' | '&' | '*' | '!') => return None,
        (_, quote @ ('"' | '\'')) => Some(*quote),
        _ => None,
    };
    let Some(quote) = quote else {
        let end = letters
            .find(|(at, letter)| matches!(letter, ',' | '}' | ']') || (*letter == '#' && *at > 0));
        let end = end.map_or_else(|| text.chars().count(), |(at, _)| at);
        let plain: String = text.chars().take(end).collect();
        return Some(plain.trim_end().chars().count());
    };
    letters.next();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote == '"' {
            letters.next();
        } else if letter == quote {
            // Within single quotes, two are one.
            if quote == '\'' && letters.next_if(|(_, next)| *next == quote).is_some() {
                continue;
            }
            return Some(at.saturating_add(1));
        }
    }
    None
}

/// A line of a text, counted from 1, without its end.
fn line(text: &str, number: usize) -> Option<&str> {
    text.lines().nth(number.checked_sub(1)?)
}

/// Where the character of this number begins; the end of the text is one too.
fn nth(text: &str, number: usize) -> Option<usize> {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.into_iter().nth(number)
}

#[cfg(test)]
mod tests;
