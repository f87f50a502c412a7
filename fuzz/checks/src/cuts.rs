//! The ways to cut an input into chunks.

use crate::random::Random;

/// Inputs up to this length are also read byte by byte.
const SHORT: usize = 1024;

/// Some ways to cut the bytes, without the one that leaves them whole. Which ones follows from the bytes.
#[must_use]
pub fn cuts(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut random = Random::of(bytes);
    let (start, end) = bytes.split_at(random.below(bytes.len() + 1));
    let mut cuts = vec![vec![start, end], pieces(bytes, &mut random, 3)];
    let longest = bytes.len() / 4;
    cuts.push(pieces(bytes, &mut random, longest.max(8)));
    if bytes.len() <= SHORT {
        cuts.push(bytes.chunks(1).collect());
    }
    cuts
}

/// Pieces of up to `longest` bytes, some of them empty, as Envoy's frames can be.
#[must_use]
pub fn pieces<'a>(mut bytes: &'a [u8], random: &mut Random, longest: usize) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let length = random.below(longest + 1).min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
