//! What a reply is: by what it calls itself, and by its first byte.

use super::Work;
use crate::headers::trimmed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    EventStream,
    /// One JSON document on each line.
    Lines,
    /// Amazon's messages.
    Frames,
}

/// What a body of an unknown name is unless it looks like a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Encoded,
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing but white space so far.
    Announced(Format),
    /// The same; what it is called is not known, and its first byte has to look like one of the formats.
    Unknown(Unreadable),
    Is(Format),
    Encoded,
    /// Of a kind that carries no usage.
    Opaque,
}

/// The content codings that change a body (the registry of RFC 9110). Servers also send `none`, `utf-8` and the like.
const CODINGS: [&[u8]; 9] = [
    b"gzip",
    b"x-gzip",
    b"deflate",
    b"compress",
    b"x-compress",
    b"br",
    b"zstd",
    b"dcb",
    b"dcz",
];

impl Body {
    /// By its headers.
    pub(super) fn announced(
        work: Work,
        content_type: Option<&[u8]>,
        content_encoding: Option<&[u8]>,
    ) -> Self {
        let encoding = content_encoding
            .unwrap_or_default()
            .split(|&byte| byte == b',')
            .map(trimmed)
            .find(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"));
        let is_coding = |name: &[u8]| CODINGS.iter().any(|it| it.eq_ignore_ascii_case(name));
        match encoding {
            _ if work == Work::Other => Self::Opaque,
            Some(name) if is_coding(name) => Self::Encoded,
            Some(_) => Self::Unknown(Unreadable::Encoded),
            None => Self::of_type(work, content_type),
        }
    }

    fn of_type(work: Work, content_type: Option<&[u8]>) -> Self {
        let media_type = content_type
            .and_then(|value| value.split(|&byte| byte == b';').next())
            .map(|value| trimmed(value).to_ascii_lowercase())
            .unwrap_or_default();
        match media_type.as_slice() {
            b"text/event-stream" => Self::Announced(Format::EventStream),
            b"application/vnd.amazon.eventstream" => Self::Announced(Format::Frames),
            b"application/x-ndjson" | b"application/jsonl" => Self::Announced(Format::Lines),
            b"" | b"application/json" => Self::Announced(Format::Json),
            other if other.starts_with(b"text/") || other.ends_with(b"+json") => {
                Self::Announced(Format::Json)
            }
            _ if work == Work::Generate => Self::Unknown(Unreadable::Opaque),
            _ => Self::Opaque,
        }
    }

    /// By its first byte that is no white space.
    pub(super) const fn with_first(self, first: u8) -> Self {
        match (self, first) {
            // The first letters of `data`, `event`, `id` and `retry`, and of a comment: no JSON starts so.
            (_, b'd' | b'e' | b'i' | b'r' | b':') => Self::Is(Format::EventStream),
            (Self::Announced(Format::Lines), _) => Self::Is(Format::Lines),
            (_, b'{' | b'[') => Self::Is(Format::Json),
            // The first byte of the length of a message that is no longer than messages are; no text starts so.
            (Self::Announced(Format::Json) | Self::Unknown(Unreadable::Opaque), 0) => {
                Self::Is(Format::Frames)
            }
            (Self::Announced(format), _) => Self::Is(format),
            (Self::Unknown(Unreadable::Encoded), _) => Self::Encoded,
            _ => Self::Opaque,
        }
    }
}
