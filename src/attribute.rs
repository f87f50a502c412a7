//! Envoy's attributes of a request.

/// One of Envoy's attributes: a claim of a verified token, a name in a certificate, a count of another filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// The attribute, claim or element does not exist.
    Absent,
    /// The bytes of a string. Other kinds of value are bytes that are not plain text.
    Value(Vec<u8>),
    /// A JSON null, or a value that contains one, which Envoy does not provide.
    Null,
    /// Envoy refused the call.
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
