//! `admittedHeader`: the header on every admitted request.

use std::rc::Rc;

use super::Compiler;
use super::headers::Meanings;
use crate::config::faults::read;
use crate::config::{AdmittedHeaderConfig, Config};
use crate::identity::can_be_key;
use crate::policy::{Secret, SecretHeader};

/// The rule for the value. A fault never repeats the value.
const CHARACTERS: &str = "1 to 512 visible ASCII characters without commas";

impl Compiler<'_> {
    pub(super) fn admitted_header(
        &mut self,
        config: &Config<'_>,
        meanings: &Meanings<'_>,
    ) -> Option<Rc<SecretHeader>> {
        const PATH: &str = "admittedHeader";
        let raw = config.admitted_header?;
        let written: AdmittedHeaderConfig = read(raw.get(), PATH, &mut self.faults)?;
        let name = self.header_name("admittedHeader.name", &written.name);
        if meanings.have(&name) {
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
