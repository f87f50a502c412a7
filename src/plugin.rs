//! The shell: Envoy's callbacks, each a sentence in the words of the core.
//!
//! What guards access fails closed: a call that Envoy refuses ends the request. What only observes (the reply, metrics,
//! filter state) fails open: the bytes pass.

mod reply;

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use self::reply::Reply;
use crate::access::Permit;
use crate::arrival::Arrival;
use crate::config;
use crate::denial::{Code, Denial, Dialect, request_id};
use crate::forward::{self, Forwarded};
use crate::host::{self, Buffer, Level, Map, Refused};
use crate::metrics::Labels;
use crate::model::ModelName;
use crate::operation::{self, Operation};
use crate::policy::Policy;
use crate::record::{Ending, Record, Times};
use crate::rewrite::ask::Edit;
use crate::rewrite::models::Viewer;

#[allow(
    unsafe_code,
    reason = "the SDK's macro exports the module's entry point"
)]
mod entry {
    use super::Root;

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(Root::default()));
    }}
}

/// One configured plugin in one worker.
#[derive(Default)]
struct Root {
    policy: Option<Rc<Policy>>,
}

/// One request and its reply.
struct Stream {
    /// `None` only before the first configuration, when Envoy sends no traffic; then everything is refused.
    policy: Option<Rc<Policy>>,
    dialect: Dialect,
    request_id: Option<String>,
    arrival: Arrival,
    /// What goes on; `None` before the headers step and where that refused.
    forwarded: Option<Forwarded>,
    denial: Option<Denial>,
    reply: Reply,
    started: u64,
}

thread_local! {
    // Envoy keeps a series for as long as it runs, so the bound on label values outlives a configuration.
    static LABELS: RefCell<Labels> = RefCell::default();
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = host::buffer(Buffer::PluginConfiguration, size).unwrap_or_default();
        match config::compile(&text, &|name| std::env::var(name).ok()) {
            Ok(policy) => {
                let now = seconds(host::now().unwrap_or_default());
                for movement in policy.gauges(now) {
                    host::move_series(&movement);
                }
                host::log(Level::Info, &policy.to_string());
                self.policy = Some(Rc::new(policy));
                true
            }
            Err(faults) => {
                host::log_faults(&faults);
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.policy.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.admit(!end_of_stream) {
            Ok(forwarded) => {
                self.forwarded = Some(forwarded);
                Action::Continue
            }
            Err(denial) => self.refuse(denial),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.judge(size, end_of_stream) {
            Ok(()) => Action::Continue,
            Err(denial) => self.refuse(denial),
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        match self.end_with_trailers() {
            Ok(()) => Action::Continue,
            Err(denial) => self.refuse(denial),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        // Of a reply that we have given ourselves nothing is to be seen.
        let (Some(policy), Some(forwarded), None) = (&self.policy, &self.forwarded, &self.denial)
        else {
            return Action::Continue;
        };
        match self.reply.begin(end_of_stream, forwarded.permit(), policy) {
            Ok(()) => Action::Continue,
            Err(denial) => self.refuse(denial),
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let (policy, permit) = (&self.policy, self.forwarded.as_ref().map(Forwarded::permit));
        let may_use = |model: &ModelName| {
            let (Some(policy), Some(permit)) = (policy, permit) else {
                return false;
            };
            permit.may_use(model, policy)
        };
        let is_known = |name: &str| {
            policy
                .as_ref()
                .is_some_and(|policy| policy.models.names(name))
        };
        let viewer = Viewer {
            may_use: &may_use,
            is_known: &is_known,
        };
        match self.reply.pass(size, end_of_stream, &viewer) {
            Ok(()) => Action::Continue,
            Err(denial) => self.refuse(denial),
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if self.forwarded.is_none() || self.denial.is_some() {
            return Action::Continue;
        }
        match reply::strip_own(Map::ResponseTrailers) {
            Ok(()) => Action::Continue,
            Err(denial) => self.refuse(denial),
        }
    }

    fn on_log(&mut self) {
        let record = self.record(host::now().unwrap_or(self.started));
        let movements =
            LABELS.try_with(|labels| Some(record.movements(&mut *labels.try_borrow_mut().ok()?)));
        for movement in movements.ok().flatten().iter().flatten() {
            host::move_series(movement);
        }
        if self
            .policy
            .as_ref()
            .is_some_and(|policy| policy.metering.filter_state)
        {
            for (name, value) in record.filter_state() {
                host::set_filter_state(name, &value);
            }
        }
    }
}

impl Stream {
    const fn new(policy: Option<Rc<Policy>>) -> Self {
        Self {
            policy,
            dialect: Dialect::OpenAi,
            request_id: None,
            arrival: Arrival::new(),
            forwarded: None,
            denial: None,
            reply: Reply::new(),
            started: 0,
        }
    }

    /// The headers step: who asks, for what, may they, and what goes on.
    fn admit(&mut self, has_body: bool) -> Result<Forwarded, Denial> {
        let policy = self.policy.clone().ok_or(Code::Internal)?;
        self.started = host::now()?;
        let headers = host::headers(Map::RequestHeaders)?;
        self.dialect = operation::dialect(&headers);
        self.request_id = request_id(&headers);
        let now = seconds(self.started);
        self.arrival.admit(
            &headers,
            has_body,
            &policy,
            now,
            &host::attribute,
            host::apply,
        )
    }

    fn permit(&self) -> Option<&Permit> {
        self.forwarded.as_ref().map(Forwarded::permit)
    }

    /// One frame of the request's body. It moves on only if this says yes.
    fn judge(&mut self, size: usize, last: bool) -> Result<(), Denial> {
        let (Some(policy), Some(forwarded), None) =
            (&self.policy, &mut self.forwarded, &self.denial)
        else {
            return Err(Code::Internal.into());
        };
        let permit = forwarded.permit_mut();
        if !permit.reads_body() {
            return Ok(permit.judge_size(size)?);
        }
        let bytes = host::buffer(Buffer::RequestBody, size)?;
        match permit.judge(&bytes, last, policy)? {
            Edit::Keep => {}
            Edit::Pad(spaces) => host::append(Buffer::RequestBody, size, &vec![b' '; spaces])?,
            Edit::Replace(bytes) => host::set_buffer(Buffer::RequestBody, size, &bytes)?,
        }
        Ok(())
    }

    /// Trailers end the body without a last frame, and may carry what was stripped from the headers.
    fn end_with_trailers(&mut self) -> Result<(), Denial> {
        self.judge(0, true)?;
        let policy = self.policy.as_ref().ok_or(Code::Internal)?;
        let trailers = host::headers(Map::RequestTrailers)?;
        for name in forward::trailer_removals(&trailers, policy) {
            host::remove_header(Map::RequestTrailers, &name)?;
        }
        Ok(())
    }

    /// The one door by which refusals leave.
    fn refuse(&mut self, denial: Denial) -> Action {
        if self.denial.is_none() {
            let request_id = self.request_id.as_deref();
            let details = format!("tollgate_{}", denial.code().as_str());
            let body = denial.body(self.dialect, request_id);
            if host::reply(
                denial.status(),
                &details,
                &denial.headers(request_id),
                &body,
            )
            .is_err()
            {
                host::close_request();
            }
            self.denial = Some(denial);
        }
        Action::Pause
    }

    /// What is known of the request at its end, whatever the ending.
    fn record(&mut self, ended: u64) -> Record {
        let attempts = || host::number(&["upstream", "request_attempt_count"]);
        let sent =
            self.denial.is_none() && self.arrival.operation.is_some_and(Operation::names_model);
        // What is known need not be asked for: nothing that Envoy is asked costs as much as a property.
        let (status, flags) = match self.reply.success() {
            Some(status) => (Some(status.into()), 0),
            None if self.denial.is_some() => (None, 0),
            None => (
                host::number(&["response", "code"]),
                host::number(&["response", "flags"]).unwrap_or_default(),
            ),
        };
        let ending = Ending {
            status,
            flags,
            dropped_by_scheduler: self.reply.dropped_by_scheduler,
            attempts: sent.then(attempts).flatten().unwrap_or_default(),
        };
        let times = Times {
            started: self.started,
            first_token: self.reply.first_token,
            ended,
        };
        let permitted = || self.permit()?.model();
        let model = self
            .denial
            .as_ref()
            .and_then(Denial::model)
            .or_else(permitted)
            .cloned();
        let model = model.map(|model| {
            let configured = self
                .policy
                .as_ref()
                .is_some_and(|policy| policy.models.names(model.as_str()));
            (model, configured)
        });
        let noted = self.arrival.noted.take();
        let noted = noted.or_else(|| self.permit()?.noted().cloned());
        Record::new(
            self.arrival.tenant.clone(),
            self.arrival.operation,
            model,
            self.denial.take(),
            ending,
            self.reply.meter.take(),
            times,
        )
        .noting(noted)
        .beside(|| {
            let policy = self.policy.as_ref()?;
            policy.metering.gateway_counts.read(&host::attribute)
        })
    }
}

impl From<Refused> for Denial {
    fn from(_: Refused) -> Self {
        Code::Internal.into()
    }
}

/// A moment in nanoseconds as one in seconds.
fn seconds(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX)
}
