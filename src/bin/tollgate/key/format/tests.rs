use super::*;

/// Its last six characters were computed with Python's `zlib.crc32`.
const KEY: &str = "sk-acme-k3v9x2mq_tg_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0K5X9P";

#[test]
fn a_key_has_its_prefix_its_public_part_its_secret_and_their_checksum() {
    let key = make("sk-acme", "k3v9x2mq").unwrap();
    assert!(key.starts_with("sk-acme-k3v9x2mq_tg_"), "{key}");
    assert_eq!(key.len(), "sk-acme-k3v9x2mq_tg_".len() + 49);
    assert_ne!(make("sk-acme", "k3v9x2mq").unwrap(), key);
    assert_eq!(doubt(key.as_bytes()), None);
}

#[test]
fn every_digit_comes_about_as_often() {
    let text = random(DIGITS, 62 * 200).unwrap();
    for digit in DIGITS {
        let count = text.bytes().filter(|byte| byte == digit).count();
        assert!(
            (100..300).contains(&count),
            "{}: {count}",
            char::from(*digit)
        );
    }
}

#[test]
fn a_key_that_is_cut_or_mistyped_is_doubted() {
    for (name, key, expected) in [
        ("whole", KEY.to_owned(), None),
        (
            "cut",
            KEY.split_at(KEY.len() - 1).0.to_owned(),
            Some(Doubt::Checksum),
        ),
        (
            "cut in the secret",
            KEY.split_at(40).0.to_owned(),
            Some(Doubt::Checksum),
        ),
        ("longer", format!("{KEY}x"), Some(Doubt::Checksum)),
        (
            "another digit",
            KEY.replace('5', "6"),
            Some(Doubt::Checksum),
        ),
        (
            "another prefix",
            KEY.replace("acme", "acne"),
            Some(Doubt::Checksum),
        ),
        ("not ASCII", KEY.replace('Z', "é"), Some(Doubt::Checksum)),
    ] {
        assert_eq!(doubt(key.as_bytes()), expected, "{name}");
    }
}

#[test]
fn a_key_of_others_is_doubted_where_it_is_short() {
    for (name, key, expected) in [
        ("a word", "token-abc123", Some(Doubt::Guessable)),
        (
            "31 hex digits",
            "0123456789abcdef0123456789abcde",
            Some(Doubt::Guessable),
        ),
        ("32 hex digits", "0123456789abcdef0123456789abcdef", None),
        (
            "38 decimal digits",
            "01234567890123456789012345678901234567",
            Some(Doubt::Guessable),
        ),
        (
            "39 decimal digits",
            "012345678901234567890123456789012345678",
            None,
        ),
        ("OpenAI's", "sk-proj-Abc0123456789Abc0123456789", None),
    ] {
        assert_eq!(doubt(key.as_bytes()), expected, "{name}");
    }
}
