//! `admittedHeader`: the header on every admitted request.

use std::rc::Rc;

use super::Compiler;
use crate::access::ModelHeader;
use crate::config::faults::read;
use crate::config::{AdmittedHeaderConfig, Config};
use crate::forward::{AUTHORIZATION, is_ours, is_reserved};
use crate::headers::same_name;
use crate::identity::{Source, TrustedHeaders, can_be_key};
use crate::policy::{Secret, SecretHeader};

/// The rule for the value. A fault never repeats the value.
const CHARACTERS: &str = "1 to 512 visible ASCII characters without commas";

impl Compiler<'_> {
    /// `sources`, `model_header` and `trusted` are headers that already have a meaning.
    pub(super) fn admitted_header(
        &mut self,
        config: &Config<'_>,
        sources: &[Source],
        model_header: &ModelHeader,
        trusted: Option<&TrustedHeaders>,
    ) -> Option<Rc<SecretHeader>> {
        const PATH: &str = "admittedHeader";
        let raw = config.admitted_header?;
        let written: AdmittedHeaderConfig = read(raw.get(), PATH, &mut self.faults)?;
        let name = self.header_name("admittedHeader.name", &written.name);
        let is = |other: &str| same_name(name.as_bytes(), other);
        let mut of_gateway = trusted
            .into_iter()
            .flat_map(|trusted| trusted.identity_headers().chain(trusted.proof_header()));
        if is(AUTHORIZATION)
            || is(&model_header.name)
            || sources.iter().any(|source| is(&source.header))
            || of_gateway.any(is)
            || is_ours(&name)
            || is_reserved(&name)
        {
            self.fault(
                "admittedHeader.name",
                "this header already has a meaning; expected another one, such as `x-tollgate-admitted`",
            );
        }
        let value = match (written.value, written.env) {
            (Some(value), None) => {
                if !can_be_key(value.as_bytes()) {
                    self.fault("admittedHeader.value", format!("expected {CHARACTERS}"));
                }
                value
            }
            (None, Some(variable)) => {
                let path = "admittedHeader.env";
                let value = self.variable(path, &variable)?.trim().to_owned();
                if !can_be_key(value.as_bytes()) {
                    self.fault(path, format!("the variable must hold {CHARACTERS}"));
                }
                value
            }
            _ => {
                self.fault(PATH, "expected either `value` or `env`");
                return None;
            }
        };
        Some(Rc::new(SecretHeader {
            name,
            value: Secret::new(&value),
        }))
    }
}
