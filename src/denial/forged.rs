//! Headers that a server must not set, because only refusals have them.

use crate::headers::{HeaderMap, OWN_PREFIX, same_name};

/// The names in a server's headers or trailers that only a refusal may have, each once. Letter case is ignored and `_`
/// is read as `-`, as in requests.
pub fn forged(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let names = headers.iter().map(|(name, _)| name);
    names.enumerate().filter_map(move |(index, name)| {
        let is_first = || !headers.iter().take(index).any(|(other, _)| other == name);
        (is_own(name) && is_first()).then_some(name)
    })
}

fn is_own(name: &[u8]) -> bool {
    let start = name.get(..OWN_PREFIX.len());
    start.is_some_and(|start| same_name(start, OWN_PREFIX))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn names_what_only_a_refusal_may_say_each_once() {
        for (name, headers, expected) in [
            ("nothing", &["server", "x-request-id"][..], &[][..]),
            (
                "the code",
                &["x-tollgate-code", "server"],
                &["x-tollgate-code"],
            ),
            (
                "twice, and a name that is not ours yet",
                &["x-tollgate-code", "x-tollgate-code", "x-tollgate-new"],
                &["x-tollgate-code", "x-tollgate-new"],
            ),
            (
                "underscores and another letter case",
                &["x_tollgate_code", "X-Tollgate_Code"],
                &["x_tollgate_code", "X-Tollgate_Code"],
            ),
            (
                "others that begin alike",
                &["x-tollgate", "x-tollgates-code", "ax-tollgate-code"],
                &[],
            ),
        ] {
            let headers: HeaderMap = headers.iter().map(|name| (*name, "1")).collect();
            let found: Vec<&[u8]> = forged(&headers).collect();
            let expected: Vec<&[u8]> = expected.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}
