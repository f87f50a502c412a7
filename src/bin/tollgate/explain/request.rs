//! The request to explain, made from the command's arguments.

use std::borrow::Cow;
use std::fs;

use serde_json::{Value, json};
use tollgate::attribute::Attribute;
use tollgate::forward;
use tollgate::headers::HeaderMap;
use tollgate::identity::{METADATA, Source, payload};
use tollgate::operation::{self, ModelIn};
use tollgate::policy::Policy;
use tollgate::query;

use super::Arguments;
use crate::moment;
use crate::output::Failure;

/// Headers that contain secrets in any configuration, besides the default sources of credentials.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

const BOUNDARY: &str = "tollgate-explain";

/// A request as it would arrive at the filter.
pub(super) struct Request {
    headers: HeaderMap,
    body: Vec<u8>,
    /// Seconds since the epoch.
    pub(super) now: i64,
    /// The model, as requested.
    pub(super) model: Option<String>,
    /// Method and path.
    pub(super) line: String,
    /// True if a stream is requested.
    pub(super) streams: bool,
    /// The metadata key of the payload, and the payload.
    pub(super) token: Option<(String, Value)>,
    certificate_name: Option<String>,
    secrets: Vec<String>,
}

impl Request {
    /// `secret` reads standard input.
    pub(super) fn new(
        arguments: &Arguments,
        policy: &Policy,
        secret: &dyn Fn() -> Result<Vec<u8>, Failure>,
    ) -> Result<Self, Failure> {
        if query::without_secrets(&arguments.path).is_some() {
            return Err(no_secret_arguments("--path"));
        }
        let mut headers: Vec<(String, String)> = vec![
            (":method".to_owned(), arguments.method.clone()),
            (":path".to_owned(), arguments.path.clone()),
        ];
        for line in &arguments.headers {
            headers.push(header(line, policy)?);
        }
        let mut secrets = Vec::new();
        if arguments.key_stdin {
            let key = text(secret()?)?;
            let source = policy
                .identities
                .sources
                .iter()
                .find(|source| !source.strip_only);
            let source = source.ok_or_else(|| {
                Failure::new("the configuration looks for credentials in no header")
            })?;
            let value = match &source.scheme {
                Some(scheme) => format!("{scheme} {key}"),
                None => key.clone(),
            };
            headers.push((source.header.to_string(), value));
            secrets.push(key);
        }
        if arguments.proof_stdin {
            let trusted = policy.identities.trusted_headers.as_ref();
            let header = trusted
                .and_then(|trusted| trusted.proof_header())
                .ok_or_else(|| {
                    Failure::new("the configuration has no `trustedHeaders.proof.header`")
                })?;
            let secret = text(secret()?)?;
            headers.push((header.to_owned(), secret.clone()));
            secrets.push(secret);
        }
        let mut request = Self {
            headers: headers.iter().cloned().collect(),
            body: Vec::new(),
            now: match &arguments.at {
                None => moment::now(),
                Some(at) => moment::parse(at).ok_or_else(|| {
                    Failure::new("--at: expected an RFC 3339 date such as `2027-01-01T00:00:00Z`")
                })?,
            },
            model: arguments.model.clone(),
            streams: arguments.stream,
            line: format!("{} {}", arguments.method, arguments.path),
            token: token(arguments, policy)?,
            certificate_name: arguments.certificate_name.clone(),
            secrets,
        };
        if let Some(file) = &arguments.body {
            request.body = fs::read(file).map_err(|error| Failure::of_file(file, &error))?;
            return Ok(request);
        }
        let target = operation::target(&request.headers, true, &policy.paths);
        let named = target.ok().and_then(|target| {
            let in_path = target.model.map(Cow::into_owned);
            Some((target.operation.model_in()?, in_path))
        });
        let Some((model_in, in_path)) = named else {
            return Ok(request);
        };
        let model = arguments.model.clone().or(in_path).ok_or_else(|| {
            Failure::new("the body of such a request names its model: expected --model or --body")
        })?;
        let content_type = match model_in {
            ModelIn::Json => "application/json".to_owned(),
            ModelIn::Form => format!("multipart/form-data; boundary={BOUNDARY}"),
        };
        if request.headers.first("content-type").is_none() {
            headers.push(("content-type".to_owned(), content_type));
            request.headers = headers.into_iter().collect();
        }
        match model_in {
            ModelIn::Json => {
                let mut body = json!({"model": model});
                if let Some(body) = body.as_object_mut().filter(|_| arguments.stream) {
                    body.insert("stream".to_owned(), true.into());
                }
                request.body = body.to_string().into_bytes();
            }
            ModelIn::Form => {
                request.body = format!(
                    "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--{BOUNDARY}--\r\n"
                )
                .into_bytes();
            }
        }
        Ok(request)
    }

    /// Nanoseconds since the epoch.
    pub(super) fn time(&self) -> u64 {
        let seconds = u64::try_from(self.now).unwrap_or_default();
        seconds.saturating_mul(1_000_000_000)
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// The secrets from standard input, which must not be printed.
    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    pub(super) fn into_secrets(self) -> Vec<String> {
        self.secrets
    }

    /// Envoy's attributes of the request: the verified payload, and the client's certificate.
    pub(super) fn attribute(&self, path: &[&str]) -> Attribute {
        if let Some(path) = path.strip_prefix(METADATA.as_slice()) {
            return self.claim(path);
        }
        let kind = match &self.certificate_name {
            Some(name) if name.contains("://") => "uri_san_peer_certificate",
            Some(_) => "dns_san_peer_certificate",
            None => return Attribute::Absent,
        };
        match (path, &self.certificate_name) {
            (["connection", asked], Some(name)) if *asked == kind => {
                Attribute::Value(name.clone().into_bytes())
            }
            _ => Attribute::Absent,
        }
    }

    /// The claim that `jwt_authn` would have stored, by metadata key and path.
    pub(super) fn claim(&self, path: &[&str]) -> Attribute {
        match (&self.token, path) {
            (Some((key, claims)), [asked, path @ ..]) if key == asked => {
                payload::claim(claims, path)
            }
            _ => Attribute::Absent,
        }
    }
}

/// The reason for refusing a secret on the command line.
pub(super) fn no_secret_arguments(place: &str) -> Failure {
    Failure::new(format!(
        "{place}: other users of the machine can see secrets in arguments; give the key on standard input with --key-stdin, and replace a key that was exposed"
    ))
}

fn header(line: &str, policy: &Policy) -> Result<(String, String), Failure> {
    let (name, value) = line
        .split_once(':')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or_else(|| Failure::new("--header: expected `name: value`; for the method and the path, use --method and --path"))?;
    let name = name.trim().to_ascii_lowercase();
    let is_secret = forward::is_secret(name.as_bytes(), policy)
        || SECRET_HEADERS.contains(&name.as_str())
        || Source::defaults()
            .iter()
            .any(|source| *source.header == *name);
    if is_secret {
        return Err(no_secret_arguments(&format!("--header {name}")));
    }
    Ok((name, value.trim().to_owned()))
}

/// The secret on standard input. A credential in a header is text.
fn text(secret: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(secret)
        .map_err(|_| Failure::new("expected text on standard input, got bytes that are not UTF-8"))
}

fn token(arguments: &Arguments, policy: &Policy) -> Result<Option<(String, Value)>, Failure> {
    let Some(file) = &arguments.claims else {
        return Ok(None);
    };
    let text = fs::read_to_string(file).map_err(|error| Failure::of_file(file, &error))?;
    let name = file.display();
    if !text.trim_start().starts_with('{') && text.matches('.').count() == 2 {
        return Err(Failure::new(format!(
            "{name}: this is a token; expected its payload, which is treated as verified. To decode it: cut -d. -f2 {name} | tr '_-' '/+' | base64 -d 2>/dev/null"
        )));
    }
    let claims: Value = serde_json::from_str(&text)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Failure::new(format!("{name}: expected a JSON object of claims")))?;
    let of_issuer = || {
        let issued = claims.get("iss").and_then(Value::as_str);
        let mut issuers = policy.identities.issuers.iter();
        let issuer = issuers
            .find(|entry| Some(entry.issuer.as_str()) == issued)
            .or_else(|| policy.identities.issuers.first());
        issuer.map_or_else(|| "payload".to_owned(), |entry| entry.metadata_key.clone())
    };
    let key = arguments.metadata_key.clone().unwrap_or_else(of_issuer);
    Ok(Some((key, claims)))
}
