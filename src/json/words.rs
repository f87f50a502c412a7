//! The classes of single bytes.

/// RFC 8259 section 2.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The bytes of numbers and bare words. A table, because an embedding is a megabyte of numbers.
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse what panics"
)]
static BARE: [bool; 256] = {
    let mut bare = [false; 256];
    let mut byte = 0;
    while byte < u8::MAX {
        bare[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        byte += 1;
    }
    bare
};

pub(super) fn is_bare(byte: u8) -> bool {
    BARE.get(usize::from(byte)).copied().unwrap_or(false)
}
