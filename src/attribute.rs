//! What Envoy knows of a request beside its messages.

/// One of Envoy's attributes: a claim of a verified token, a name in a certificate, a count of another filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// There is no such attribute, claim or element.
    Absent,
    /// The bytes of a string; other kinds of value come as bytes that are no plain text.
    Value(Vec<u8>),
    /// A JSON null, or a value with one in it, which Envoy does not hand over.
    Null,
    /// Envoy refused to look.
    Unreadable,
}

impl Attribute {
    /// The eight bytes of a number.
    #[must_use]
    pub fn word(self) -> Option<[u8; 8]> {
        match self {
            Self::Value(bytes) => bytes.try_into().ok(),
            Self::Absent | Self::Null | Self::Unreadable => None,
        }
    }
}
