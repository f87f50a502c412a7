//! One part of a form: its headers, and the value if the part names the model.

use crate::denial::Code;
use crate::members::Members;
use crate::model_name::{MAX_NAME, ModelName};

/// Longest name of a field, in bytes.
pub(crate) const MAX_FIELD_NAME: usize = 64;

/// A part that is being read.
#[derive(Debug, Default)]
pub(super) struct Part {
    is_model: bool,
    /// The value of `content-length`, which some readers use.
    announced: Option<u64>,
    length: u64,
    /// The value so far, for the model's part only.
    value: Vec<u8>,
}

impl Part {
    /// Reads the header lines of a part, without the empty line after them. A field that `members` refuses goes to
    /// `refused`.
    pub(super) fn parse(
        lines: &[u8],
        members: &Members,
        refused: &mut Option<Box<str>>,
    ) -> Result<Self, Code> {
        let text = std::str::from_utf8(lines).map_err(|_| Code::MalformedBody)?;
        let mut disposition = None;
        let mut media_type = None;
        let mut announced = None;
        let mut encoding = None;
        for line in text.split("\r\n") {
            if line.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(Code::MalformedBody);
            }
            let (name, value) = line.split_once(':').ok_or(Code::MalformedBody)?;
            let known = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut media_type,
                "content-length" => &mut announced,
                "content-transfer-encoding" => &mut encoding,
                _ => return Err(Code::MalformedBody),
            };
            if known.replace(value.trim_matches(' ')).is_some() {
                return Err(Code::MalformedBody);
            }
        }
        let field = disposition
            .and_then(Field::parse)
            .ok_or(Code::MalformedBody)?;
        let is_model = field.is_model()?;
        if let Some(name) = field.segments().find_map(|name| members.denied_field(name)) {
            *refused = Some(name.into());
            return Err(Code::MemberNotAllowed);
        }
        let plain = |encoding: &str| {
            ["binary", "8bit", "7bit"]
                .iter()
                .any(|identity| encoding.eq_ignore_ascii_case(identity))
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if encoding.is_some_and(|encoding| !plain(encoding))
            || announced.is_some_and(|length| !digits(length))
            || media_type.is_some_and(|media_type| !may_hold(media_type, is_model))
        {
            return Err(Code::MalformedBody);
        }
        let announced = announced
            .map(|length| length.parse().map_err(|_| Code::MalformedBody))
            .transpose()?;
        Ok(Self {
            is_model,
            announced,
            ..Self::default()
        })
    }

    pub(super) const fn is_model(&self) -> bool {
        self.is_model
    }

    /// Reads the next bytes of the content.
    pub(super) fn push(&mut self, content: &[u8]) -> Result<(), Code> {
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.length = self.length.saturating_add(length);
        if self.is_model {
            if self.value.len().saturating_add(content.len()) > MAX_NAME {
                return Err(Code::InvalidModelName);
            }
            self.value.extend_from_slice(content);
        }
        Ok(())
    }

    /// Ends the content. Returns the model if this is its part.
    pub(super) fn end(&self) -> Result<Option<ModelName>, Code> {
        if self
            .announced
            .is_some_and(|announced| announced != self.length)
        {
            return Err(Code::MalformedBody);
        }
        if !self.is_model {
            return Ok(None);
        }
        if self.value.is_empty() {
            return Err(Code::MissingModel);
        }
        let text = std::str::from_utf8(&self.value).ok();
        let model = text.and_then(ModelName::new);
        model.map(Some).ok_or(Code::InvalidModelName)
    }
}

/// Returns true if every reader takes content of this type literally: no nested form, and for the model's part no type
/// that requires decoding.
fn may_hold(media_type: &str, is_model: bool) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    if is_model {
        let plain = media_type.replace(' ', "");
        matches!(plain.as_str(), "text/plain" | "text/plain;charset=utf-8")
    } else {
        !media_type.starts_with("multipart/") && !media_type.starts_with("message/")
    }
}

/// The parameters of `content-disposition` (RFC 7578, section 4.2).
struct Field<'a> {
    name: &'a str,
    is_file: bool,
}

impl<'a> Field<'a> {
    /// Reads `form-data; name="…"`, with `filename="…"` and `filename*=…` each at most once. Quoted values must not
    /// contain `\`, `"` or `;`, which some readers treat as an escape, an end or a separator.
    fn parse(value: &'a str) -> Option<Self> {
        let mut rest = value.strip_prefix("form-data")?;
        let (mut name, mut filename, mut extended) = (None, None, None);
        while !rest.is_empty() {
            let parameter = rest.strip_prefix(';')?.trim_start_matches(' ');
            let (key, value) = parameter.split_once('=')?;
            let known = match key {
                "name" => &mut name,
                "filename" => &mut filename,
                "filename*" => &mut extended,
                _ => return None,
            };
            let (value, further) = if key == "filename*" {
                value.split_at(value.find(';').unwrap_or(value.len()))
            } else {
                value.strip_prefix('"')?.split_once('"')?
            };
            if value.contains(['\\', ';', '"']) || known.replace(value).is_some() {
                return None;
            }
            rest = further;
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
        // HTML5 readers decode the other fields as this field states.
        let fits = |name: &&str| {
            (1..=MAX_FIELD_NAME).contains(&name.len())
                && name.bytes().all(plain)
                && !name.eq_ignore_ascii_case("_charset_")
        };
        Some(Self {
            name: name.filter(fits)?,
            is_file: filename.is_some() || extended.is_some(),
        })
    }

    /// The names that readers with lists and objects in names may read from the field's name.
    fn segments(&self) -> impl Iterator<Item = &'a str> {
        self.name.split(['[', ']', '.'])
    }

    /// Returns true if this field names the model. A field that only some readers would read as the model is refused:
    /// another letter case, a file, and any name with `model` before, between or after its brackets and dots
    /// (`model[]`, `[model]`, `model]`, `request.model`). Readers with lists and objects in names strip brackets, end
    /// the name at one, or bind their content, each in its own way.
    fn is_model(&self) -> Result<bool, Code> {
        if !self
            .segments()
            .any(|segment| segment.eq_ignore_ascii_case("model"))
        {
            Ok(false)
        } else if self.name == "model" && !self.is_file {
            Ok(true)
        } else {
            Err(Code::AmbiguousModel)
        }
    }
}
