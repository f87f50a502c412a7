//! Where a body is cut on its way to Envoy.

/// More cuts than this in one reply take longer than they are worth. The last are made: most replies tell their usage at
/// their end.
const MOST_CUTS: usize = 2000;
/// How far after its name a usage object's numbers are cut.
const REACH: usize = 300;
const SEED: u64 = 0x746f_6c6c_6761_7465;

/// The kinds of splits, in the order of the table.
pub(super) const KINDS: [&str; 4] = ["whole", "bytes", "marks", "random"];

/// One way to send a body.
pub(super) struct Split {
    /// A name of [`KINDS`].
    pub(super) kind: &'static str,
    /// Where each write but the first begins.
    cuts: Vec<usize>,
}

impl Split {
    /// The writes. An empty body has none.
    pub(super) fn parts<'a>(&self, body: &'a [u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::with_capacity(self.cuts.len() + 1);
        let mut start = 0;
        for &end in self.cuts.iter().chain([&body.len()]) {
            if end > start {
                parts.push(&body[start..end]);
            }
            start = end;
        }
        parts
    }
}

/// All ways to send this body that differ from one another; the first is whole.
pub(super) fn splits(body: &[u8]) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    let bytes = (1..body.len()).collect();
    let ways = [Vec::new(), bytes, marks(body), random(body)];
    for (kind, mut cuts) in KINDS.into_iter().zip(ways) {
        cuts.retain(|&cut| cut > 0 && cut < body.len());
        cuts.drain(..cuts.len().saturating_sub(MOST_CUTS));
        if splits.iter().all(|split| split.cuts != cuts) {
            splits.push(Split { kind, cuts });
        }
    }
    splits
}

/// Inside every line end of two bytes and every blank line, inside every name that begins with `usage`, and inside the
/// numbers behind it.
fn marks(body: &[u8]) -> Vec<usize> {
    let is_line_end = |byte: &u8| b"\r\n".contains(byte);
    let mut numbers_until = 0;
    let mut cuts = Vec::new();
    for cut in 1..body.len() {
        let (before, after) = body.split_at(cut);
        if before.ends_with(b"us") && after.starts_with(b"age") {
            numbers_until = cut + REACH;
            cuts.push(cut);
        } else if let (Some(last), Some(next)) = (before.last(), after.first()) {
            let in_number = cut < numbers_until && last.is_ascii_digit() && next.is_ascii_digit();
            if in_number || (is_line_end(last) && is_line_end(next)) {
                cuts.push(cut);
            }
        }
    }
    cuts
}

/// Short and long writes in no order, always the same for the same length.
fn random(body: &[u8]) -> Vec<usize> {
    let mut state = SEED ^ u64::try_from(body.len()).unwrap();
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap()
    };
    let mut cuts = Vec::new();
    let mut cut = 0;
    while cut < body.len() {
        // Of any length of up to a kilobyte, and in short bodies shorter ones.
        let longest = (1 << (next() % 11)).min(1 + body.len() / 8);
        cut += 1 + next() % longest;
        cuts.push(cut);
    }
    cuts
}

#[test]
fn every_split_keeps_the_body_and_cuts_where_it_says() {
    let body = b"data: {\"usage\":{\"prompt_tokens\":18}}\r\n\r\ndata: [DONE]\n\n";
    let splits = splits(body);
    let kinds: Vec<_> = splits.iter().map(|split| split.kind).collect();
    assert_eq!(kinds, KINDS);
    for split in &splits {
        assert_eq!(split.parts(body).concat(), body, "{}", split.kind);
    }
    let [whole, bytes, marks, random] = splits.as_slice() else {
        panic!("four splits");
    };
    assert_eq!(whole.parts(body), [body]);
    assert!(bytes.parts(body).iter().all(|part| part.len() == 1));
    let marked: [&[u8]; 7] = [
        b"data: {\"us",
        b"age\":{\"prompt_tokens\":1",
        b"8}}\r",
        b"\n",
        b"\r",
        b"\ndata: [DONE]\n",
        b"\n",
    ];
    assert_eq!(marks.parts(body), marked);
    assert!(random.parts(body).len() > 1);
}

#[test]
fn a_body_too_small_to_split_is_sent_once() {
    for body in [&b""[..], b"x"] {
        let splits = splits(body);
        assert_eq!(splits.len(), 1, "{body:?}");
        assert_eq!(splits[0].parts(body).concat(), body);
    }
}

#[test]
fn a_huge_body_is_sent_in_a_bounded_number_of_writes() {
    let body = vec![b'\n'; 1 << 20];
    for split in splits(&body) {
        assert!(split.parts(&body).len() <= MOST_CUTS + 1, "{}", split.kind);
    }
}
