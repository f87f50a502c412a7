//! Whether a refusal stands: `enforce`, `audit` or `open`.

use crate::denial::{Code, Denial};
use crate::identity::Caller;

/// What becomes of a refusal that concerns who asks and which model, and nothing else: a body or path that cannot be
/// judged, an operation outside the table and a stripped header stay what they are in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It stands.
    #[default]
    Enforce,
    /// It is counted and logged, and the request passes: as anonymous where the identity failed.
    Audit,
    /// There is none: everybody may use everything that the table of operations holds.
    Open,
}

impl Mode {
    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Open => "open",
        }
    }

    /// Keeps in `noted` the first refusal that this mode only notes.
    ///
    /// # Errors
    /// The refusal where it stands. [`Code::Internal`] always does: nothing was decided.
    pub(super) fn note(
        self,
        result: Result<(), Denial>,
        noted: &mut Option<Denial>,
    ) -> Result<(), Denial> {
        match (self, result) {
            (_, Ok(())) => Ok(()),
            (_, Err(denial)) if denial.code() == Code::Internal => Err(denial),
            (Self::Enforce, Err(denial)) => Err(denial),
            (Self::Audit, Err(denial)) => {
                noted.get_or_insert(denial);
                Ok(())
            }
            (Self::Open, Err(_)) => Ok(()),
        }
    }
}

/// The caller to go on with: nobody, where the identity failed and the mode lets that pass. The refusal that the mode
/// only noted goes with it.
///
/// # Errors
/// Why there is no identity, where that stands.
pub fn settle(
    identified: Result<Caller, Denial>,
    mode: Mode,
) -> Result<(Caller, Option<Denial>), Denial> {
    let mut noted = None;
    let caller = match identified {
        Ok(caller) => caller,
        Err(denial) => {
            mode.note(Err(denial), &mut noted)?;
            Caller::Anonymous
        }
    };
    Ok((caller, noted))
}
