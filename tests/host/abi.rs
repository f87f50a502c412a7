//! The numbers and encodings of the Proxy-Wasm ABI 0.2.1, as Envoy uses them.
//! Source: <https://github.com/proxy-wasm/spec/blob/main/abi-versions/v0.2.1/README.md>

/// What a host call returns (`proxy_status_t`).
pub(crate) mod status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const NOT_FOUND: u32 = 1;
    pub(crate) const BAD_ARGUMENT: u32 = 2;
    pub(crate) const SERIALIZATION_FAILURE: u32 = 3;
    pub(crate) const CAS_MISMATCH: u32 = 8;
    pub(crate) const INTERNAL_FAILURE: u32 = 10;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
}

/// Names and values of a header map, in order. Values are bytes: Envoy lets obs-text (0x80 to 0xFF) through.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What the module answers in a headers, body or trailers callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Continue,
    Pause,
}

impl Action {
    /// `None` for a number that the ABI does not define.
    pub(crate) fn from_abi(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Continue),
            1 => Some(Self::Pause),
            _ => None,
        }
    }
}

/// The callbacks that a filter of HTTP traffic gets, in the order in which Envoy makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Callback {
    Start,
    Configure,
    Create,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
    Done,
    Delete,
}

impl Callback {
    /// The name of the module's export.
    pub(crate) fn export(self) -> &'static str {
        match self {
            Self::Start => "proxy_on_vm_start",
            Self::Configure => "proxy_on_configure",
            Self::Create => "proxy_on_context_create",
            Self::RequestHeaders => "proxy_on_request_headers",
            Self::RequestBody => "proxy_on_request_body",
            Self::RequestTrailers => "proxy_on_request_trailers",
            Self::ResponseHeaders => "proxy_on_response_headers",
            Self::ResponseBody => "proxy_on_response_body",
            Self::ResponseTrailers => "proxy_on_response_trailers",
            Self::Log => "proxy_on_log",
            Self::Done => "proxy_on_done",
            Self::Delete => "proxy_on_delete",
        }
    }

    /// The name used in the tables of this test: the export without its prefix.
    pub(crate) fn name(self) -> &'static str {
        self.export().trim_start_matches("proxy_on_")
    }
}

/// The four header maps of an HTTP stream (`proxy_map_type_t` 0 to 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
}

impl Map {
    pub(crate) fn from_abi(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::RequestHeaders),
            1 => Some(Self::RequestTrailers),
            2 => Some(Self::ResponseHeaders),
            3 => Some(Self::ResponseTrailers),
            _ => None,
        }
    }

    /// The only callback in which Envoy lets the module change this map, and, `on_log` apart, read it.
    pub(crate) fn callback(self) -> Callback {
        match self {
            Self::RequestHeaders => Callback::RequestHeaders,
            Self::RequestTrailers => Callback::RequestTrailers,
            Self::ResponseHeaders => Callback::ResponseHeaders,
            Self::ResponseTrailers => Callback::ResponseTrailers,
        }
    }
}

/// Count, sizes, then every name and value with a NUL after it.
pub(crate) fn encode_pairs(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for (name, value) in pairs {
        bytes.extend(name);
        bytes.push(0);
        bytes.extend(value);
        bytes.push(0);
    }
    bytes
}

/// The inverse of [`encode_pairs`]; `None` when the lengths do not fit the bytes.
pub(crate) fn decode_pairs(bytes: &[u8]) -> Option<Pairs> {
    if bytes.is_empty() {
        return Some(Pairs::new());
    }
    let size_at = |at: usize| -> Option<usize> {
        let digits = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(digits.try_into().ok()?) as usize)
    };
    let count = size_at(0)?;
    let mut at = 4 + count * 8;
    let mut string = |length: usize| -> Option<Vec<u8>> {
        let text = bytes.get(at..at + length)?.to_vec();
        at += length + 1;
        Some(text)
    };
    (0..count)
        .map(|index| {
            let name = string(size_at(4 + index * 8)?)?;
            Some((name, string(size_at(8 + index * 8)?)?))
        })
        .collect()
}

fn number(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("a length of the 32-bit guest")
        .to_le_bytes()
}

/// How Envoy hands over a value of dynamic metadata: text as it is, numbers as f64, a bool as one byte, lists and
/// objects as pairs (a list's items are the names), and a failure when a null is anywhere inside.
pub(crate) fn encode_metadata(value: &serde_json::Value) -> Result<Vec<u8>, u32> {
    use serde_json::Value;
    match value {
        Value::Null => Err(status::SERIALIZATION_FAILURE),
        Value::Bool(flag) => Ok(vec![u8::from(*flag)]),
        Value::Number(number) => Ok(number
            .as_f64()
            .expect("a number of JSON")
            .to_le_bytes()
            .to_vec()),
        Value::String(text) => Ok(text.clone().into_bytes()),
        Value::Array(items) => {
            let pairs: Result<Pairs, u32> = items
                .iter()
                .map(|item| Ok((encode_metadata(item)?, Vec::new())))
                .collect();
            Ok(encode_pairs(&pairs?))
        }
        Value::Object(members) => {
            let pairs: Result<Pairs, u32> = members
                .iter()
                .map(|(name, item)| Ok((name.clone().into_bytes(), encode_metadata(item)?)))
                .collect();
            Ok(encode_pairs(&pairs?))
        }
    }
}
