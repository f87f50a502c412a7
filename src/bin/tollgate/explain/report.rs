//! The report about a request.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use tollgate::access::Mode;
use tollgate::denial::{Denial, request_id};
use tollgate::forward::{AUTHORIZATION, Changes, FAIRNESS};
use tollgate::identity::{Caller, identify};
use tollgate::meter;
use tollgate::model_name::ModelName;
use tollgate::operation::{self, Operation};
use tollgate::policy::Policy;
use tollgate::quota::{Limit, Window};

use super::Passage;
use super::advice::advice;
use super::model::{ModelAnswer, or_none};
use super::request::Request;
use super::who::Who;

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    verdict: Word,
    mode: &'static str,
    /// Method and path.
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    /// What is not looked at although it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    who: Who,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelAnswer>,
    /// The treatment of a request that passes.
    #[serde(flatten)]
    passed: Option<Passed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<DenialAnswer>,
    /// The answer of `enforce` to a request that another mode lets pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_deny: Option<DenialAnswer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Allowed,
    Denied,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Passed {
    #[serde(flatten)]
    headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    fairness_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<Held>,
}

/// A limit that applies, and what it sets aside.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    id: String,
    counts: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'static str>,
    limit: u64,
    reserves: u64,
}

impl Held {
    pub(super) fn new(limit: &Limit, reserves: u64) -> Self {
        Self {
            id: limit.id.to_string(),
            counts: limit.measure().as_str(),
            window: limit.window().map(Window::as_str),
            limit: limit.amount(),
            reserves,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            counts,
            limit,
            reserves,
            ..
        } = self;
        write!(
            formatter,
            "`{id}` sets aside {reserves} of {limit} {counts}"
        )?;
        match self.window {
            Some(window) => write!(formatter, " per {window}"),
            None => Ok(()),
        }
    }
}

/// The changes to the headers.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Headers {
    set: BTreeMap<&'static str, String>,
    stripped: Vec<String>,
    /// Headers of the client whose values are replaced.
    replaced: Vec<String>,
    /// True if the server gets the gateway's own credential in `authorization`.
    server_credential: bool,
    /// The header that marks the request as admitted. Its value is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted_header: Option<String>,
}

/// The way in which the tokens of the reply are counted.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
enum Usage {
    /// Usage is requested from the server, and hidden from the client.
    AskedAndHidden,
    /// The reply is a stream, and its usage is not requested.
    NotAsked,
    /// The reply has usage.
    Reported,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DenialAnswer {
    status: u32,
    code: &'static str,
    headers: BTreeMap<&'static str, String>,
    /// The reply of the filter, without Envoy's id of the request.
    body: String,
    advice: String,
}

/// Of a path that lets inference through.
const UNJUDGED: &str = "this is a route of inference: on paths of `extraPaths` and `publicPaths` no model is judged and no token is counted";

impl Report {
    /// `policy` is in mode `enforce`, `mode` the one that is configured.
    pub(super) fn new(
        request: &Request,
        policy: &Policy,
        mode: Mode,
        passage: &Passage,
        enforced: Option<Denial>,
    ) -> Self {
        let target = operation::target(request.headers(), request.has_body(), &policy.paths);
        let operation = passage.operation;
        let attribute = |path: &[&str]| request.attribute(path);
        let identified = if operation.is_none_or(Operation::needs_identity) {
            identify(
                request.headers(),
                &policy.identities,
                request.now,
                &attribute,
            )
        } else {
            Ok(Caller::Anonymous)
        };
        let who = Who::new(&identified, request, policy);
        let denial = passage.denial.as_ref();
        let named = target.ok().and_then(|target| target.model);
        let path = request.line.split([' ', '?']).nth(1).unwrap_or_default();
        let is_unread = matches!(operation, Some(Operation::Extra | Operation::Public));
        let model = passage
            .model
            .clone()
            .or_else(|| ModelName::new(named.as_deref().or(request.model.as_deref())?));
        let caller = identified.unwrap_or(Caller::Anonymous);
        let model = model.map(|model| ModelAnswer::new(&model, &caller, &who, policy));
        let answer = |denial: &Denial| {
            let advice = advice(denial, request, policy, &who, model.as_ref());
            DenialAnswer::new(denial, request, advice)
        };
        Self {
            verdict: match denial {
                Some(_) => Word::Denied,
                None => Word::Allowed,
            },
            mode: mode.as_str(),
            request: request.line.clone(),
            operation: operation.map(Operation::as_str),
            warning: (is_unread && operation::is_unjudged_inference(path)).then_some(UNJUDGED),
            passed: match denial {
                Some(_) => None,
                None => Some(Passed::new(passage, request)),
            },
            denial: denial.map(answer),
            would_deny: enforced.as_ref().filter(|_| denial.is_none()).map(answer),
            who,
            model,
        }
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.verdict == Word::Allowed
    }
}

impl Passed {
    fn new(passage: &Passage, request: &Request) -> Self {
        let headers = &passage.headers;
        let metered = passage.operation.map(Operation::metered);
        let usage = match metered {
            None | Some(meter::Work::Other) => None,
            Some(_) if passage.hides_usage => Some(Usage::AskedAndHidden),
            Some(meter::Work::Generate) if request.streams => Some(Usage::NotAsked),
            Some(_) => Some(Usage::Reported),
        };
        Self {
            fairness_id: FAIRNESS
                .iter()
                .find_map(|name| headers.set.get(name).cloned()),
            headers: headers.clone(),
            usage,
            limits: passage.limits.clone(),
        }
    }
}

impl Headers {
    pub(super) fn of(changes: &Changes, request: &Request) -> Self {
        let is_sent = |name: &str| request.headers().first(name).is_some();
        let names = changes.set.iter().map(|(name, _)| *name);
        let secrets = || changes.secrets.iter().map(|header| &*header.name);
        let names = names.chain(secrets());
        Self {
            replaced: names
                .filter(|name| is_sent(name))
                .map(str::to_owned)
                .collect(),
            set: changes
                .set
                .iter()
                .map(|(name, value)| (*name, value.to_string()))
                .collect(),
            stripped: changes
                .remove
                .iter()
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
            server_credential: secrets().any(|name| name == AUTHORIZATION),
            admitted_header: secrets()
                .find(|name| *name != AUTHORIZATION)
                .map(str::to_owned),
        }
    }
}

impl DenialAnswer {
    fn new(denial: &Denial, request: &Request, advice: String) -> Self {
        let id = request_id(request.headers());
        let headers = denial.headers(id.as_deref()).into_iter();
        Self {
            status: denial.status(),
            code: denial.code().as_str(),
            headers: headers
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            body: denial.body(operation::dialect(request.headers()), id.as_deref()),
            advice,
        }
    }
}

/// A label in the margin, and its text.
fn line(formatter: &mut fmt::Formatter<'_>, word: &str, text: impl fmt::Display) -> fmt::Result {
    write!(formatter, "\n{word:<11}{text}")
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.denial {
            None => "allowed".to_owned(),
            Some(denial) => format!("denied     {denial}"),
        };
        write!(formatter, "{verdict}")?;
        if let Some(denial) = &self.would_deny {
            write!(
                formatter,
                ", because the mode is {}; `enforce` would deny it: {denial}",
                self.mode
            )?;
        }
        writeln!(formatter)?;
        let operation = self.operation.map_or_else(
            || "not in the table of operations".to_owned(),
            |operation| format!("operation {operation}"),
        );
        line(
            formatter,
            "request",
            format_args!("{}, {operation}", self.request),
        )?;
        if let Some(warning) = self.warning {
            line(formatter, "warning", warning)?;
        }
        line(formatter, "caller", &self.who)?;
        if let Some(model) = &self.model {
            line(formatter, "model", &model.name)?;
            line(formatter, "rule", model.told(&self.who))?;
        }
        if let Some(passed) = &self.passed {
            write!(formatter, "{passed}")?;
        }
        for (word, denial) in [("client", &self.denial), ("would get", &self.would_deny)] {
            let Some(denial) = denial else { continue };
            line(formatter, word, format_args!("HTTP {}", denial.status))?;
            for (name, value) in &denial.headers {
                line(formatter, "", format_args!("{name}: {value}"))?;
            }
            line(formatter, "", &denial.body)?;
            line(formatter, "what to do", &denial.advice)?;
        }
        Ok(())
    }
}

impl fmt::Display for DenialAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.status, self.code)?;
        match self.headers.get("x-tollgate-code") {
            Some(shown) if shown != self.code => {
                write!(formatter, ", shown to the client as {shown}")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.headers.set.iter();
        let mut set: Vec<String> = set
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        if self.headers.server_credential {
            set.push(format!("{AUTHORIZATION}: the server's own credential"));
        }
        if let Some(name) = &self.headers.admitted_header {
            set.push(format!("{name}: the value of `admittedHeader`"));
        }
        if set.is_empty() {
            set.push("nothing".to_owned());
        }
        for (index, header) in set.iter().enumerate() {
            line(formatter, if index == 0 { "set" } else { "" }, header)?;
        }
        line(formatter, "stripped", or_none(&self.headers.stripped))?;
        if !self.headers.replaced.is_empty() {
            let replaced = self.headers.replaced.join(", ");
            line(
                formatter,
                "replaced",
                format_args!("the client's {replaced}"),
            )?;
        }
        line(
            formatter,
            "fairness",
            self.fairness_id.as_deref().unwrap_or("no id"),
        )?;
        if let Some(usage) = self.usage {
            line(formatter, "usage", usage)?;
        }
        for (index, limit) in self.limits.iter().enumerate() {
            line(formatter, if index == 0 { "limits" } else { "" }, limit)?;
        }
        Ok(())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AskedAndHidden => "requested from the server, and hidden from the client",
            Self::NotAsked => "not requested from the server: `streamUsage` is `observe`",
            Self::Reported => "counted from the reply",
        })
    }
}
