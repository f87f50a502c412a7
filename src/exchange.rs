//! One request and its reply, from the first header to the record.
//!
//! An [`Exchange`] decides; a shell calls one method for each event of the proxy and hands in a [`Host`], by which the
//! exchange reads and writes. A call that guards access fails closed: if the host refuses it, the request ends. A call
//! that only observes fails open: the bytes pass.

mod host;
mod limits;
#[cfg(not(target_os = "wasi"))]
mod offline;
mod reply;

use std::rc::Rc;

use self::reply::Reply;
use crate::access::{self, Permit, Verdict};
use crate::denial::{Code, Denial, Dialect, request_id};
use crate::forward::{self, Forwarded};
use crate::headers::HeaderMap;
use crate::identity::{Caller, Identity, identify};
use crate::metrics::Labels;
use crate::model_name::ModelName;
use crate::operation::{self, Operation};
use crate::policy::Policy;
use crate::quota::{Asked, Holds};
use crate::record::{Ending, Facts, Record, Times};
use crate::rewrite::ask::Edit;
use crate::rewrite::models::Viewer;

pub use self::host::{Body, Host, LocalReply, Map, Refused};
#[cfg(not(target_os = "wasi"))]
pub use self::offline::{Offline, Sent, Shared};

/// The proxy's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What was read continues.
    Continue,
    /// Nothing more of the request continues, because the client has been answered.
    Stop,
}

/// The stage of a request.
#[derive(Debug)]
enum Stage {
    /// The headers step has not admitted it.
    New,
    /// Its headers have continued.
    Going(Forwarded),
    /// The request was refused.
    Refused(Denial),
}

/// One request and its reply.
#[derive(Debug)]
pub struct Exchange {
    /// `None` only before the first configuration, when Envoy sends no traffic; then everything is refused.
    policy: Option<Rc<Policy>>,
    stage: Stage,
    dialect: Dialect,
    request_id: Option<String>,
    started: u64,
    /// `None` for what is not in the table of operations.
    operation: Option<Operation>,
    /// The tenant, from the moment that it is known.
    tenant: Option<Rc<str>>,
    /// The key and the user behind it, for filter state.
    key: Option<Rc<str>>,
    user: Option<Box<str>>,
    /// The first refusal that was only recorded.
    noted: Option<Denial>,
    /// The model, after the permit was dropped.
    model: Option<ModelName>,
    reply: Reply,
    /// The tokens of the request's body, by the length of its text.
    estimated_input: Option<u64>,
    /// The reservations of limits. They outlive the permit, because a request that is refused later is settled too.
    holds: Option<Box<Holds>>,
}

impl Exchange {
    /// An exchange before its first event.
    #[must_use]
    pub const fn new(policy: Option<Rc<Policy>>) -> Self {
        Self {
            policy,
            stage: Stage::New,
            dialect: Dialect::OpenAi,
            request_id: None,
            started: 0,
            operation: None,
            tenant: None,
            key: None,
            user: None,
            noted: None,
            model: None,
            reply: Reply::new(),
            estimated_input: None,
            holds: None,
        }
    }

    /// Handles the request's headers. `last` means that nothing follows.
    pub fn request_headers(&mut self, host: &impl Host, last: bool) -> Step {
        match self.admit(host, !last) {
            Ok(forwarded) => {
                self.stage = Stage::Going(forwarded);
                Step::Continue
            }
            Err(denial) => self.refuse(host, denial),
        }
    }

    /// Handles one frame of the request's body, of `size` bytes.
    pub fn request_body(&mut self, host: &impl Host, size: usize, last: bool) -> Step {
        let judged = self.judge(host, size, last);
        self.go_on(host, judged)
    }

    /// Handles the request's trailers, which end its body without a last frame.
    pub fn request_trailers(&mut self, host: &impl Host) -> Step {
        let judged = self.judge(host, 0, true);
        let stripped = judged.and_then(|()| self.strip_trailers(host));
        self.go_on(host, stripped)
    }

    /// Handles the reply's headers.
    pub fn response_headers(&mut self, host: &impl Host, last: bool) -> Step {
        // A reply of our own is not looked at.
        let (Some(policy), Stage::Going(forwarded)) = (&self.policy, &self.stage) else {
            return Step::Continue;
        };
        let begun = self.reply.begin(host, last, forwarded.permit(), policy);
        if let Some(holds) = &self.holds {
            limits::tell(host, &holds.left, self.dialect);
        }
        self.go_on(host, begun)
    }

    /// Handles one chunk of the reply's body, of `size` bytes.
    pub fn response_body(&mut self, host: &impl Host, size: usize, last: bool) -> Step {
        let (policy, stage) = (&self.policy, &self.stage);
        let may_use = |model: &ModelName| match (policy, stage) {
            (Some(policy), Stage::Going(forwarded)) => {
                forwarded.permit().may_use(model, &policy.access)
            }
            _ => false,
        };
        let is_known = |name: &str| {
            let policy = policy.as_ref();
            policy.is_some_and(|policy| policy.access.models.names(name))
        };
        let viewer = Viewer {
            may_use: &may_use,
            is_known: &is_known,
        };
        let passed = self.reply.pass(host, size, last, &viewer);
        self.go_on(host, passed)
    }

    /// Handles the reply's trailers.
    pub fn response_trailers(&mut self, host: &impl Host) -> Step {
        if !matches!(self.stage, Stage::Going(_)) {
            return Step::Continue;
        }
        let stripped = reply::strip_own(host, Map::ResponseTrailers);
        self.go_on(host, stripped)
    }

    /// Handles the end, however the request ended: moves the series and writes the filter state. Must be called once.
    pub fn end(&mut self, host: &impl Host, labels: &mut Labels) {
        let holds = self.holds.take();
        let tenant = self.tenant.clone().filter(|_| holds.is_some());
        let ended = host.now().unwrap_or(self.started);
        let record = self.record(host, ended);
        if let (Some(holds), Some(policy)) = (holds, &self.policy) {
            let settled =
                (policy.limits).settle(*holds, record.spent(), tenant.as_ref(), host, ended);
            for movement in settled {
                host.move_series(&movement);
            }
        }
        for movement in record.movements(labels) {
            host.move_series(&movement);
        }
        let policy = self.policy.as_ref();
        if policy.is_some_and(|policy| policy.metering.filter_state) {
            for (name, value) in record.filter_state() {
                host.set_filter_state(name, &value);
            }
        }
    }

    /// The requested operation; `None` if it is not in the table.
    #[must_use]
    pub const fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// The permit, while the request continues.
    #[must_use]
    pub const fn permit(&self) -> Option<&Permit> {
        match &self.stage {
            Stage::Going(forwarded) => Some(forwarded.permit()),
            Stage::New | Stage::Refused(_) => None,
        }
    }

    /// The reservations of limits.
    #[must_use]
    pub fn holds(&self) -> Option<&Holds> {
        self.holds.as_deref()
    }

    /// The refusal, if the request was refused.
    #[must_use]
    pub const fn denial(&self) -> Option<&Denial> {
        match &self.stage {
            Stage::Refused(denial) => Some(denial),
            Stage::New | Stage::Going(_) => None,
        }
    }

    /// The headers step: identifies the caller, finds the operation, decides, and forwards.
    fn admit(&mut self, host: &impl Host, has_body: bool) -> Result<Forwarded, Denial> {
        let policy = self.policy.clone().ok_or(Code::Internal)?;
        self.started = host.now()?;
        let headers = host.headers(Map::RequestHeaders)?;
        self.dialect = operation::dialect(&headers);
        self.request_id = request_id(&headers);
        let target = operation::target(&headers, has_body, &policy.paths);
        self.operation = target.as_ref().ok().map(|target| target.operation);
        let caller = self.caller(host, &headers, &policy)?;
        let identity = caller.identity();
        self.tenant = identity.map(|identity| Rc::clone(&identity.tenant().name));
        if policy.metering.filter_state || policy.metering.key_label {
            self.key = identity.and_then(Identity::key).cloned();
        }
        if policy.metering.filter_state {
            self.user = identity.and_then(Identity::user).map(Into::into);
        }
        let target = target.map_err(|code| operation::refusal(code, &headers))?;
        let mut permit = access::admit(caller, &target, &headers, has_body, &policy.access)?;
        if !policy.limits.is_empty() {
            self.look_at_limits(host, &policy, &mut permit)?;
        }
        let pending = forward::forward(permit, &headers, has_body, &policy);
        Ok(pending.write(|changes| host.apply(changes))?)
    }

    fn caller(
        &mut self,
        host: &impl Host,
        headers: &HeaderMap,
        policy: &Policy,
    ) -> Result<Caller, Denial> {
        if !self.operation.is_none_or(Operation::needs_identity) {
            return Ok(Caller::Anonymous);
        }
        let attributes = |path: &[&str]| host.attribute(path);
        let identified = identify(
            headers,
            &policy.identities,
            seconds(self.started),
            &attributes,
        );
        let (caller, noted) = access::settle(identified, policy.access.mode)?;
        self.noted = noted;
        Ok(caller)
    }

    /// Judges one frame of the request's body. It continues only if this succeeds.
    fn judge(&mut self, host: &impl Host, size: usize, last: bool) -> Result<(), Denial> {
        let (Some(policy), Stage::Going(forwarded)) = (&self.policy, &mut self.stage) else {
            return Err(Code::Internal.into());
        };
        let permit = forwarded.permit_mut();
        if !permit.reads_body() {
            return Ok(permit.judge_size(size)?);
        }
        let bytes = host.frame(Body::Request, size)?;
        let Verdict { edit, asked } = permit.judge(&bytes, last, &policy.access)?;
        if let Some(asked) = asked {
            self.estimated_input = Some(policy.limits.estimated_input(permit.model(), &asked));
            if !policy.limits.is_empty() {
                self.holds = Some(limits::hold(host, policy, permit, &asked)?);
            }
        }
        match edit {
            Edit::Keep => {}
            Edit::Pad(spaces) => host.append(Body::Request, size, &vec![b' '; spaces])?,
            Edit::Replace(bytes) => host.replace(Body::Request, size, &bytes)?,
        }
        Ok(())
    }

    /// Checks the limits as far as they are known before the body. A request without a body to judge is charged at once.
    fn look_at_limits(
        &mut self,
        host: &impl Host,
        policy: &Policy,
        permit: &mut Permit,
    ) -> Result<(), Denial> {
        if permit.reads_body() {
            limits::look(host, policy, permit, self.started)
        } else {
            self.holds = Some(limits::hold(host, policy, permit, &Asked::default())?);
            Ok(())
        }
    }

    /// Removes from the trailers what was stripped from the headers.
    fn strip_trailers(&self, host: &impl Host) -> Result<(), Denial> {
        let policy = self.policy.as_ref().ok_or(Code::Internal)?;
        let trailers = host.headers(Map::RequestTrailers)?;
        for name in forward::trailer_removals(&trailers, policy) {
            host.remove_header(Map::RequestTrailers, &name)?;
        }
        Ok(())
    }

    fn go_on(&mut self, host: &impl Host, result: Result<(), Denial>) -> Step {
        match result {
            Ok(()) => Step::Continue,
            Err(denial) => self.refuse(host, denial),
        }
    }

    /// Refuses the request. This is the only place that answers a client, at most once.
    #[cold]
    #[inline(never)]
    fn refuse(&mut self, host: &impl Host, denial: Denial) -> Step {
        if self.denial().is_none() {
            let id = self.request_id.as_deref();
            let mut headers = denial.headers(id);
            let told = limits::told_of_refusal(host, &denial, self.dialect);
            headers.extend(told.iter().map(|(name, value)| (*name, value.as_str())));
            let reply = LocalReply {
                status: denial.status(),
                details: &format!("tollgate_{}", denial.code().as_str()),
                headers: &headers,
                body: &denial.body(self.dialect, id),
            };
            if host.reply(&reply).is_err() {
                host.close();
            }
            self.keep_findings();
            self.stage = Stage::Refused(denial);
        }
        Step::Stop
    }

    /// Keeps the findings of the permit before it is dropped.
    fn keep_findings(&mut self) {
        if let Stage::Going(forwarded) = &mut self.stage {
            let (model, noted) = forwarded.permit_mut().take_findings();
            self.model = model;
            self.noted = self.noted.take().or(noted);
        }
    }

    fn record(&mut self, host: &impl Host, ended: u64) -> Record {
        self.keep_findings();
        let denial = self.denial().cloned();
        let ending = self.ending(host, denial.is_some());
        let refused = denial.as_ref().and_then(Denial::model).cloned();
        let model = refused.or_else(|| self.model.take());
        let policy = self.policy.as_ref();
        let is_configured = |model: &ModelName| {
            policy.is_some_and(|policy| policy.access.models.names(model.as_str()))
        };
        let facts = Facts {
            tenant: self.tenant.take(),
            key: self.key.take(),
            key_label: policy.is_some_and(|policy| policy.metering.key_label),
            user: self.user.take(),
            operation: self.operation,
            model_is_configured: model.as_ref().is_some_and(is_configured),
            model,
            denial,
            noted: self.noted.take(),
            estimated_input: self.estimated_input,
            ending,
            times: Times {
                started: self.started,
                first_token: self.reply.first_token,
                ended,
            },
        };
        Record::new(facts, self.reply.meter.take()).compared_with(|| {
            let attributes = |path: &[&str]| host.attribute(path);
            policy?.metering.gateway_counts.read(&attributes)
        })
    }

    /// How the request ended. Known values are not read again, because reading an attribute is the most expensive host call.
    fn ending(&self, host: &impl Host, denied: bool) -> Ending {
        let (status, flags) = match self.reply.success() {
            Some(status) => (Some(status.into()), 0),
            None if denied => (None, 0),
            None => (
                host.number(&["response", "code"]),
                host.number(&["response", "flags"]).unwrap_or_default(),
            ),
        };
        let sent = !denied && self.operation.is_some_and(Operation::names_model);
        let attempts = || host.number(&["upstream", "request_attempt_count"]);
        Ending {
            status,
            flags,
            dropped_by_scheduler: self.reply.dropped_by_scheduler,
            attempts: sent.then(attempts).flatten().unwrap_or_default(),
        }
    }
}

/// A moment in nanoseconds as one in seconds.
#[must_use]
pub fn seconds(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;
