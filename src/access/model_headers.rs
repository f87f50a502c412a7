//! What headers say of the model, before the body does: those in which a gateway or a body-based router in front repeats
//! it, so that the route can be chosen by them.
//!
//! A header that names the model must agree with the body, else a request would be judged by one name and routed by
//! another. It goes on as it came, because a header that is removed or changed makes Envoy choose the route again.

use super::Rules;
use crate::denial::{Code, Denial};
use crate::headers::{HeaderMap, Occurrence};
use crate::identity::Caller;
use crate::model_name::ModelName;

/// Where the body-based router of the inference gateway (llm-d, KServe) repeats the model.
const ROUTED_BY: &str = "x-gateway-model-name";
/// Where it names the model that an adapter belongs to; of any other model, the model itself.
const BASE: &str = "x-gateway-base-model-name";

/// Both, which a client could say as well as a router.
pub(crate) const ROUTER_HEADERS: [&str; 2] = [ROUTED_BY, BASE];

/// What the headers said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The model. The caller may use it, and the body has to agree.
    pub(super) model: Option<ModelName>,
    /// The base of the model. [`Said::check_base`] has to be asked once the model is known.
    base: Option<ModelName>,
}

impl Said {
    /// Reads the headers of a request whose model is judged. A model is checked at once.
    pub(super) fn read(
        caller: &Caller,
        headers: &HeaderMap,
        rules: &Rules,
        noted: &mut Option<Denial>,
    ) -> Result<Self, Denial> {
        let configured = model_in(headers, &rules.model_header.name)?;
        if configured.is_none() && rules.model_header.required {
            return Err(Code::MissingModel.into());
        }
        let model = match (configured, model_in(headers, ROUTED_BY)?) {
            (Some(one), Some(other)) if one != other => return Err(Code::AmbiguousModel.into()),
            (one, other) => one.or(other),
        };
        if let Some(model) = &model {
            rules.mode.note(rules.models.check(caller, model), noted)?;
        }
        let base = match headers.unique(BASE) {
            // The router knows no base of this model.
            Occurrence::Single(b"") => None,
            _ => model_in(headers, BASE)?,
        };
        // Where no base is configured, a client could choose a route by it: to no model but one that it may use.
        if let Some(base) = base.as_ref().filter(|base| model.as_ref() != Some(base))
            && !rules.models.has_bases()
        {
            rules.mode.note(rules.models.check(caller, base), noted)?;
        }
        Ok(Self { model, base })
    }

    /// Whether the base is the one of this model, where both a header and the configuration say which it is.
    pub(super) fn check_base(&self, model: &ModelName, rules: &Rules) -> Result<(), Code> {
        match &self.base {
            Some(base) if !rules.models.is_base(base, model) => Err(Code::AmbiguousModel),
            _ => Ok(()),
        }
    }
}

/// The model that a header names. A comma may be what somebody on the way has joined two headers with (RFC 9110, section
/// 5.3), so it is none of a name here.
fn model_in(headers: &HeaderMap, name: &str) -> Result<Option<ModelName>, Code> {
    match headers.unique(name) {
        Occurrence::Absent => Ok(None),
        Occurrence::Repeated => Err(Code::AmbiguousModel),
        Occurrence::Single(b"") => Err(Code::MissingModel),
        Occurrence::Single(value) => {
            let text = std::str::from_utf8(value).ok();
            let text = text.filter(|text| !text.contains(','));
            let model = text.and_then(ModelName::new);
            model.map(Some).ok_or(Code::AmbiguousModel)
        }
    }
}
