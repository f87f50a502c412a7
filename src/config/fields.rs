//! The names of fields, and which one was probably meant.

/// Whether this may be repeated: a field's name is letters; a key that was pasted in its place is hardly ever.
pub(super) fn is_field_name(name: &str) -> bool {
    name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The names that a message of serde calls expected.
pub(super) fn expected(message: &str) -> impl Iterator<Item = &str> {
    let (_, names) = message.rsplit_once(", expected ").unwrap_or_default();
    names.split('`').skip(1).step_by(2)
}

/// The one of the expected names that was probably meant, where a message of serde calls `name` unknown.
pub(super) fn meant<'m>(name: &str, message: &'m str) -> Option<&'m str> {
    nearest(name, expected(message))
}

/// The name that differs least, where that is so little that it must be the one.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_ascii_lowercase();
    let far = name.len().div_ceil(3).min(3);
    let with_distance = names.map(|other| (distance(&name, &other.to_ascii_lowercase()), other));
    let nearest = with_distance.min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= far).then_some(nearest.1)
}

/// How many letters have to be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        for (place, against) in row
            .iter_mut()
            .zip(std::iter::once(None).chain(other.bytes().map(Some)))
        {
            let Some(against) = against else {
                *place = left;
                continue;
            };
            let changed = diagonal.saturating_add(usize::from(letter != against));
            diagonal = *place;
            left = changed
                .min(left.saturating_add(1))
                .min(place.saturating_add(1));
            *place = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn counts_what_differs() {
        for (one, other, expected) in [
            ("", "", 0),
            ("keys", "keys", 0),
            ("key", "keys", 1),
            ("keys", "key", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("keysform", "keysfrom", 2),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
