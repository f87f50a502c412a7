//! The effect of refusals: `enforce`, `audit` or `open`.

use crate::denial::{Code, Denial};
use crate::identity::Caller;
use crate::rows::named;

named! {
    /// The effect of refusals for identity or model. Other rules are the same in every mode: a body or path that cannot
    /// be judged and an operation outside the table are refused, and headers are stripped.
    #[derive(Default)]
    pub enum Mode {
        /// Requests are refused. For everyday use.
        #[default]
        Enforce = "enforce",
        /// A request that would be refused passes. The refusal is counted under its code in `tollgate_denials_total`
        /// and written to `wasm.tollgate.would_deny`. If the identity failed, the request passes as anonymous, without
        /// identity headers. The configuration must have everything that `enforce` requires. For observing before
        /// enforcing.
        Audit = "audit",
        /// Neither identity nor model is a reason to refuse a request, and nothing is counted. Keys and models are
        /// optional; callers with a valid credential are still identified. For a gateway that has no keys yet.
        Open = "open",
    }
    /// The name in the configuration.
    fn as_str;
}

impl Mode {
    /// Keeps in `noted` the first refusal that this mode only notes.
    ///
    /// # Errors
    /// The refusal, if the mode enforces it. [`Code::Internal`] is always enforced, because nothing was decided.
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

/// The caller to continue with: anonymous, if the identity failed and the mode lets that pass. The refusal that the
/// mode only noted is returned too.
///
/// # Errors
/// The reason for the missing identity, if the mode enforces it.
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
