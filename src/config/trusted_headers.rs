//! The section `trustedHeaders`, for a gateway in front.

#[cfg(feature = "command")]
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Identity in headers from an authenticating gateway in front, such as Models-as-a-Service. With a valid proof it is
/// the only identity, and the headers pass to the server, except the proof and names that the filter always strips
/// (`x-gateway-…`). Without a proof all these headers are stripped and ignored.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrustedHeadersConfig<'a> {
    /// The proof of the gateway in front: a shared secret in a header, given by its hash, or a client certificate.
    pub(crate) proof: GatewayProofConfig,
    /// The header that identifies the caller. A request with the proof but without this header gets 401.
    pub(crate) principal_header: String,
    /// The header with a JSON object that maps each attribute to its values: a list, or one value.
    #[serde(default)]
    pub(crate) attributes_header: Option<String>,
    /// Headers that carry one attribute each: `{"x-maas-group": "groups"}`. The header is a JSON list, a JSON string,
    /// or text that is one value. The values follow those of `attributesHeader`.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BTreeMap<String, String>"))]
    pub(crate) attribute_headers: Option<&'a RawValue>,
    /// The attribute whose values are the groups, 1024 at most. Omitted means no groups.
    #[serde(default)]
    pub(crate) groups_attribute: Option<String>,
    /// The attribute whose single value is the tenant.
    #[serde(default)]
    pub(crate) tenant_attribute: Option<String>,
    /// The tenant of callers without a tenant attribute.
    #[serde(default)]
    pub(crate) default_tenant: Option<String>,
}

/// The proof that a request comes from the gateway in front: a secret in a header, or a client certificate.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GatewayProofConfig {
    /// The header with the shared secret. It is always stripped.
    #[serde(default)]
    pub(crate) header: Option<String>,
    /// `sha256:` and 64 hex digits of the SHA-256 of the secret in `header`.
    #[serde(default)]
    pub(crate) secret_hash: Option<String>,
    /// Accepted names of the client certificate. A name with `://` is compared with the first URI of the certificate,
    /// any other with its first DNS name.
    #[serde(default)]
    pub(crate) client_certificate_san: Option<Vec<String>>,
    /// Set to `true` to confirm that Envoy rejects unverified client certificates.
    #[serde(default)]
    pub(crate) client_certs_verified: bool,
}
