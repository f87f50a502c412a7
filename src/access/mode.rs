//! Whether a refusal stands: `enforce`, `audit` or `open`.

use crate::denial::{Code, Denial};
use crate::identity::Caller;
use crate::rows::named;

named! {
    /// What becomes of a refusal that concerns who asks and which model, and nothing else: a body or path that cannot
    /// be judged, an operation outside the table and a stripped header stay what they are in every mode.
    #[derive(Default)]
    pub enum Mode {
        /// They stand. For everyday use.
        #[default]
        Enforce = "enforce",
        /// What would be refused is counted under its code in `tollgate_denials_total`, written to
        /// `wasm.tollgate.would_deny`, and passes: as anonymous, without identity headers, where the identity failed.
        /// The configuration needs all that `enforce` needs. For watching before enforcing.
        Audit = "audit",
        /// There are none on these grounds, and none is counted. Neither keys nor models have to be configured; a
        /// caller who proves an identity has it all the same. For a gateway that has no keys yet.
        Open = "open",
    }
    /// The name in the configuration.
    fn as_str;
}

impl Mode {
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
