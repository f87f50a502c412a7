//! `body`: the members of a body that are refused.

use std::rc::Rc;

use super::Compiler;
use crate::config::faults::read;
use crate::config::{BodyConfig, Config};
use crate::members::{Members, OWN};

/// Longest name of a member, in bytes.
pub(crate) const MAX_MEMBER: usize = 64;

impl Compiler<'_> {
    pub(super) fn members(&mut self, config: &Config<'_>) -> Rc<Members> {
        let written: Option<BodyConfig> = config
            .body
            .and_then(|raw| read(raw.get(), "body", &mut self.faults));
        let written = written.unwrap_or_default();
        for (list, names) in [("deny", &written.deny), ("allow", &written.allow)] {
            for (index, name) in names.iter().enumerate() {
                let text = name.strip_suffix('*').unwrap_or(name);
                let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'*';
                let fits = (1..=MAX_MEMBER).contains(&text.len()) && text.bytes().all(plain);
                if !fits {
                    self.fault(
                        format!("body.{list}[{index}]"),
                        "expected the name of a member, or a prefix and `*`: 1 to 64 visible ASCII characters",
                    );
                }
                if list == "deny" && OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                    self.fault(
                        format!("body.deny[{index}]"),
                        "the filter reads this member itself; expected another one",
                    );
                }
            }
        }
        Rc::new(Members::new(&written.deny, &written.allow))
    }
}
