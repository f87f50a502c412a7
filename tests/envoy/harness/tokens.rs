//! Tokens signed with ES256, and the key set that Envoy's `jwt_authn` verifies them with.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::demo::ISSUER;

/// Made for these tests; it signs nothing else.
const TEST_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOjjGLVImrYQAL72o
ful8TgpIq4I3HHMPrAe9XQWwb4WhRANCAATajpZvweIR/nKGI/x+uWZEs3XRES7u
OQf5wiIMj+tmEC5YG//HlbwjsyTG1jpXvzrPbAJaxjXOR6cAAB0Jco3j
-----END PRIVATE KEY-----
";

/// Signs the demo tokens, which the bootstrap and the manifests that users copy accept.
const DEMO_KEY: &str = include_str!("../../../envoy/demo-signing-key.pem");

/// Claims on their way to becoming a token.
pub(crate) struct Token {
    claims: Value,
}

impl Token {
    /// A token of the listed issuer for user `alice`, good for an hour, in these groups.
    pub(crate) fn with_groups(groups: &[&str]) -> Self {
        let expiry = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
            + 3600;
        Self {
            claims: json!({"iss": ISSUER, "sub": "alice", "exp": expiry, "groups": groups}),
        }
    }

    /// Sets or replaces one claim.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Takes one claim away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        let claims = self.claims.as_object_mut();
        claims.and_then(|claims| claims.remove(name)).unwrap();
        self
    }

    /// The token as it stands in an `authorization` header after `Bearer `.
    pub(crate) fn sign(&self) -> String {
        self.sign_with(TEST_KEY)
    }

    /// The same, signed as `demo-token` does.
    pub(crate) fn sign_as_demo(&self) -> String {
        self.sign_with(DEMO_KEY)
    }

    fn sign_with(&self, key: &str) -> String {
        let key = EncodingKey::from_ec_pem(key.as_bytes()).unwrap();
        encode(&Header::new(Algorithm::ES256), &self.claims, &key).unwrap()
    }

    /// The same token with a signature that does not fit: its first character is another one.
    pub(crate) fn sign_badly(&self) -> String {
        let token = self.sign();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let first = signature.chars().next().unwrap();
        let other = if first == 'A' { "B" } else { "A" };
        format!("{signed}.{}", signature.replacen(first, other, 1))
    }
}

/// The JSON Web Key Set with the public half of the test key.
pub(super) fn key_set() -> String {
    let key = EncodingKey::from_ec_pem(TEST_KEY.as_bytes()).unwrap();
    let key = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    serde_json::to_string(&JwkSet { keys: vec![key] }).unwrap()
}
