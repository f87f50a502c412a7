//! The section of the gateway in front.

#[cfg(feature = "command")]
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Identity set in headers by an authenticating gateway in front, such as Models-as-a-Service. With its proof it is the
/// only identity; without, all these headers are stripped and count for nothing. With it they pass to the upstream, save
/// the proof, and save names that the filter strips from everybody (`x-gateway-…`).
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrustedHeadersConfig<'a> {
    /// What proves the gateway in front: a shared secret in a header, known by its hash, or its client certificate.
    pub(crate) proof: GatewayProofConfig,
    /// The header that says who the caller is; without it 401.
    pub(crate) principal_header: String,
    /// The header with a JSON object from the name of an attribute to its values: a list, or one value.
    #[serde(default)]
    pub(crate) attributes_header: Option<String>,
    /// Headers of one attribute each: `{"x-maas-group": "groups"}`. A JSON list, a JSON string, or text that is one
    /// value. The values follow those of `attributesHeader`.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BTreeMap<String, String>"))]
    pub(crate) attribute_headers: Option<&'a RawValue>,
    /// The attribute whose values are the groups, 1024 at most. Omitted means no groups.
    #[serde(default)]
    pub(crate) groups_attribute: Option<String>,
    /// The attribute whose one value is the tenant.
    #[serde(default)]
    pub(crate) tenant_attribute: Option<String>,
    /// Tenant of callers for whom none is said.
    #[serde(default)]
    pub(crate) default_tenant: Option<String>,
}

/// What shows that a request comes from the gateway in front: a secret in a header, or a client certificate.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GatewayProofConfig {
    /// The header with the shared secret, which is stripped.
    #[serde(default)]
    pub(crate) header: Option<String>,
    /// `sha256:` and 64 hex digits of the SHA-256 of the secret in `header`.
    #[serde(default)]
    pub(crate) secret_hash: Option<String>,
    /// Any of these is the first URI (if there is a `://` in it) or the first DNS name of the client certificate.
    #[serde(default)]
    pub(crate) client_certificate_san: Option<Vec<String>>,
    /// Your word, `true`, that Envoy lets no unverified client certificate in.
    #[serde(default)]
    pub(crate) client_certs_verified: bool,
}
