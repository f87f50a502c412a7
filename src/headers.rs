//! A header map from Envoy: read in one call, and kept as the original bytes.
//!
//! Nothing here assumes UTF-8: a header value may hold any byte but NUL, CR and LF (RFC 9110, section 5.5), and one
//! hostile byte must never make a request fail. The layout is Proxy-Wasm's serialised map: a little-endian `u32` count,
//! a pair of `u32` lengths for each header, then every name and value followed by a NUL.

use std::ops::Range;

/// All headers of one message, in their order of arrival, names in lower case as Envoy writes them.
#[derive(Debug, Default)]
pub struct HeaderMap {
    buffer: Vec<u8>,
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

/// The occurrences of a header that must be unique.
#[derive(Debug, PartialEq, Eq)]
pub enum Occurrence<'a> {
    /// The header is absent.
    Absent,
    /// The header occurs once, with this value.
    Single(&'a [u8]),
    /// The header occurs several times. It is not known which one a later reader uses.
    Repeated,
}

impl HeaderMap {
    /// Reads Proxy-Wasm's serialised form. `None` if lengths and bytes do not match.
    #[must_use]
    pub fn decode(buffer: Vec<u8>) -> Option<Self> {
        let count = usize::try_from(read_u32(&buffer, 0)?).ok()?;
        let mut sizes_at = 4_usize;
        let mut data_at = count.checked_mul(8)?.checked_add(4)?;
        if data_at > buffer.len() {
            return None;
        }
        let mut pairs = Vec::with_capacity(count);
        let mut next = |length_at: usize| -> Option<Range<usize>> {
            let length = usize::try_from(read_u32(&buffer, length_at)?).ok()?;
            let end = data_at.checked_add(length)?;
            (buffer.get(end) == Some(&0)).then_some(())?;
            let range = data_at..end;
            data_at = end.checked_add(1)?;
            Some(range)
        };
        for _ in 0..count {
            pairs.push((next(sizes_at)?, next(sizes_at.checked_add(4)?)?));
            sizes_at = sizes_at.checked_add(8)?;
        }
        Some(Self { buffer, pairs })
    }

    /// Every header with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs.iter().filter_map(|(name, value)| {
            Some((
                self.buffer.get(name.clone())?,
                self.buffer.get(value.clone())?,
            ))
        })
    }

    /// Every value of the header `name` (lower case), in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // Nearly every name has a different length, and a request looks up twenty.
        let named = move |(candidate, _): &&(Range<usize>, _)| {
            candidate.len() == name.len()
                && self.buffer.get(candidate.clone()) == Some(name.as_bytes())
        };
        let named = self.pairs.iter().filter(named);
        named.filter_map(|(_, value)| self.buffer.get(value.clone()))
    }

    /// The header `name` (lower case), which should occur at most once.
    #[must_use]
    pub fn unique(&self, name: &str) -> Occurrence<'_> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Occurrence::Absent,
            (Some(value), None) => Occurrence::Single(value),
            (Some(_), Some(_)) => Occurrence::Repeated,
        }
    }

    /// The first value of the header `name` (lower case).
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }
}

/// A value without the white space around it. In HTTP only spaces and tabs are white space (RFC 9110, section 5.6.3).
/// Other characters belong to the value for every other reader.
#[must_use]
pub fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The prefix of headers that only the filter may set.
pub(crate) const OWN_PREFIX: &str = "x-tollgate-";

/// Returns true if two header names are equal for a reader that ignores case and reads `_` as `-`.
pub(crate) fn same_name(name: &[u8], owned: &str) -> bool {
    let canonical = |byte: u8| {
        if byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    name.len() == owned.len()
        && name
            .iter()
            .zip(owned.bytes())
            .all(|(byte, owned)| canonical(*byte) == canonical(owned))
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut map = Self::default();
        for (name, value) in headers {
            let name = map.append(name.as_ref());
            let value = map.append(value.as_ref());
            map.pairs.push((name, value));
        }
        map
    }
}

impl HeaderMap {
    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }
}

fn read_u32(buffer: &[u8], at: usize) -> Option<u32> {
    let bytes = buffer.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn serialised(headers: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = u32::try_from(headers.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in headers {
            out.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
            out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        for (name, value) in headers {
            out.extend([name, b"\0".as_slice(), value, b"\0"].concat());
        }
        out
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_spaces_and_tabs_are_white_space() {
        for (value, expected) in [
            (&b""[..], &b""[..]),
            (b" \t ", b""),
            (b"a", b"a"),
            (b"\t a b\t ", b"a b"),
            (b"\x0b a\x0c", b"\x0b a\x0c"),
            (b" \xc2\xa0a", b"\xc2\xa0a"),
        ] {
            assert_eq!(trimmed(value), expected, "{}", value.escape_ascii());
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn decodes_names_and_values_whatever_their_bytes() {
        let headers: [(&[u8], &[u8]); 3] = [
            (b":path", b"/v1"),
            (b"x-odd", b"\xff\x80"),
            (b"x-empty", b""),
        ];
        let map = HeaderMap::decode(serialised(&headers)).unwrap();
        assert_eq!(map.iter().collect::<Vec<_>>(), headers);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn refuses_every_truncation_and_every_wrong_length() {
        let good = serialised(&[(b"a", b"1"), (b"bb", b"22")]);
        for end in 0..good.len() {
            assert!(
                HeaderMap::decode(good[..end].to_vec()).is_none(),
                "cut at {end}"
            );
        }
        let mut huge = good.clone();
        huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(HeaderMap::decode(huge).is_none(), "count beyond the buffer");
        let mut long = good;
        long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(
            HeaderMap::decode(long).is_none(),
            "length beyond the buffer"
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn tells_a_single_header_from_a_repeated_one() {
        let map: HeaderMap = [("a", "1"), ("b", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(map.unique("a"), Occurrence::Single(b"1"));
        assert_eq!(map.unique("b"), Occurrence::Repeated);
        assert_eq!(map.unique("c"), Occurrence::Absent);
        assert_eq!(map.values("b").collect::<Vec<_>>(), [b"2", b"3"]);
    }
}
