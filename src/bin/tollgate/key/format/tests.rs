use tollgate::key_format::doubt;

use super::*;

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
