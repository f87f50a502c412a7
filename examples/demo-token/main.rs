//! Prints a signed token (JWT) that `envoy/local.yaml` accepts: what an identity provider would give to a user.
//!
//! ```text
//! cargo run -p tollgate-examples --bin demo-token
//! cargo run -p tollgate-examples --bin demo-token -- --groups research,sales --tenant acme
//! ```
//!
//! The key that signs it, `envoy/demo-signing-key.pem`, is public. Demo only.

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const SIGNING_KEY: &[u8] = include_bytes!("../../envoy/demo-signing-key.pem");

/// The name of the key in the JWKS of `envoy/local.yaml`.
const KEY_ID: &str = "tollgate-demo";

const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const USAGE: &str = "\
Prints a signed demo token.

Usage: demo-token [OPTIONS]

  --groups A,B    groups of the user, none if empty [sales]
  --tenant NAME   tenant of the user, no claim if empty [globex]
  --issuer URL    who issued the token [https://demo.tollgate.example]
";

fn main() -> ExitCode {
    match token(std::env::args().skip(1)) {
        Ok(token) => {
            let _ = writeln!(stdout(), "{token}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn token(arguments: impl Iterator<Item = String>) -> Result<String, Box<dyn Error>> {
    let claims = claims(arguments)?;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(KEY_ID.to_owned());
    Ok(encode(
        &header,
        &claims,
        &EncodingKey::from_ec_pem(SIGNING_KEY)?,
    )?)
}

fn claims(mut arguments: impl Iterator<Item = String>) -> Result<Value, Box<dyn Error>> {
    let mut groups = "sales".to_owned();
    let mut tenant = "globex".to_owned();
    let mut issuer = "https://demo.tollgate.example".to_owned();
    while let Some(name) = arguments.next() {
        let option = match name.as_str() {
            "--groups" => &mut groups,
            "--tenant" => &mut tenant,
            "--issuer" => &mut issuer,
            _ => return Err(USAGE.into()),
        };
        *option = arguments.next().ok_or(USAGE)?;
    }

    let groups: Vec<&str> = groups
        .split(',')
        .filter(|group| !group.is_empty())
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut claims = json!({
        "iss": issuer,
        "sub": "demo-user",
        "groups": groups,
        "iat": now.as_secs(),
        "exp": now.saturating_add(LIFETIME).as_secs(),
    });
    if let Some(members) = claims.as_object_mut()
        && !tenant.is_empty()
    {
        members.insert("tenant".to_owned(), tenant.into());
    }
    Ok(claims)
}
