//! How a path is written: what every reader takes for the same, prefixes, and models in paths.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::table::PREFIXES;

/// Whether every server reads this path alike: it starts with `/` and has no percent-encoding, `\`, `;`, `#`, control
/// byte, empty segment or dot segment.
#[must_use]
pub fn is_plain_path(path: &[u8]) -> bool {
    let Some(segments) = path.strip_prefix(b"/") else {
        return false;
    };
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"%\\;#?".contains(byte);
    if !segments.iter().all(plain) {
        return false;
    }
    let mut segments = segments.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        // The root path and one trailing slash are the only empty segments that every server reads alike.
        if matches!(segment, b"." | b"..") || (segment.is_empty() && !last) {
            return false;
        }
    }
    true
}

/// One of the [built-in prefixes](PREFIXES) of a path, and what follows it, with a `/` in front.
pub(super) fn split_prefix(path: &str) -> Option<(&'static str, &str)> {
    let mut prefixes = PREFIXES.iter();
    prefixes.find_map(|prefix| {
        let rest = path.strip_prefix(prefix)?;
        rest.starts_with('/').then_some((*prefix, rest))
    })
}

/// What stands in front of the paths of the table, segment by segment.
#[derive(Debug, PartialEq, Eq)]
pub struct PathPrefix(Box<[Segment]>);

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    /// Any one segment, but [`NAMERS`] and [`VERSIONS`].
    Any,
    Text(Box<str>),
}

/// Segments behind which a server takes a model from the path. As a part of a prefix they would hide it.
const NAMERS: [&str; 2] = ["deployments", "engines"];

/// Segments that begin a path of the table, which `*` must not take for a part of what stands before it.
const VERSIONS: [&str; 2] = ["v1", "v2"];

impl PathPrefix {
    /// Reads `/team/*/v1`: plain segments, of which `*` is any one. A version at the end says the same as none, because the
    /// paths of the table have one. `None` for everything else, and for what would hide a model in the path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !is_plain_path(text.as_bytes()) || text.ends_with('/') {
            return None;
        }
        let text = text.strip_suffix("/v1").unwrap_or(text);
        let segments = text
            .strip_prefix('/')?
            .split('/')
            .map(|segment| match segment {
                "*" => Some(Segment::Any),
                text if text.contains('*') || NAMERS.contains(&text) => None,
                text => Some(Segment::Text(text.into())),
            });
        segments.collect::<Option<_>>().map(Self)
    }

    /// What follows it in a path, with a `/` in front.
    pub(super) fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut rest = path;
        for segment in &self.0 {
            let after = rest.strip_prefix('/')?;
            let (found, tail) = after.split_at_checked(after.find('/')?)?;
            let fits = match segment {
                Segment::Any => !NAMERS.contains(&found) && !VERSIONS.contains(&found),
                Segment::Text(text) => **text == *found,
            };
            if !fits {
                return None;
            }
            rest = tail;
        }
        Some(rest)
    }
}

/// The model that a path names, decoded once. `None` where two readers could take two models from it, or another path:
/// what is no plain text after decoding, still holds an escape, climbs, or ends the path for somebody.
pub(super) fn decoded_model(written: &str) -> Option<Cow<'_, str>> {
    if !written.contains('%') {
        return is_plain_path(format!("/{written}").as_bytes()).then_some(Cow::Borrowed(written));
    }
    let escapes = written.match_indices('%').all(|(at, _)| {
        let digits = written
            .as_bytes()
            .get(at.saturating_add(1)..at.saturating_add(3));
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let visible = written.bytes().all(|byte| byte.is_ascii_graphic());
    let model = percent_decode_str(written).decode_utf8().ok()?;
    let plain = !model.contains(['%', '\\', ';', '?', '#']);
    let climbs = model
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."));
    let hidden = written.contains(['\\', ';', '?', '#']);
    (escapes && visible && plain && !climbs && !hidden).then_some(model)
}
