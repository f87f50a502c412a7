//! The shell: each of Envoy's callbacks becomes one step of an [`Exchange`].

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::config;
use crate::exchange::{Exchange, Step, seconds};
use crate::host::{self, Envoy, Level};
use crate::meter;
use crate::metrics::Labels;
use crate::policy::Policy;
use crate::quota::TICK_MILLISECONDS;

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
struct Stream(Exchange);

thread_local! {
    // Envoy keeps a series for as long as it runs, so the limit of label values outlives a configuration.
    static LABELS: RefCell<Labels> = RefCell::default();
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = host::configuration(size).unwrap_or_default();
        match config::compile(&text, &|name| std::env::var(name).ok()) {
            Ok(policy) => {
                let now = seconds(host::now().unwrap_or_default());
                for movement in policy.gauges(now) {
                    host::move_series(&movement);
                }
                host::log(Level::Info, &policy.to_string());
                if !policy.limits.is_empty() {
                    host::tick_every(TICK_MILLISECONDS);
                }
                if let Some(said) = policy.next_expiry(now) {
                    host::log(Level::Info, &said);
                }
                meter::prepare();
                self.policy = Some(Rc::new(policy));
                true
            }
            Err(faults) => {
                host::log_faults(&faults);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        // Whoever cannot count up now does so with the next tick.
        let _ = host::machines().beat(&Envoy);
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(Exchange::new(self.policy.clone()))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.0.request_headers(&Envoy, end_of_stream).into()
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.0.request_body(&Envoy, size, end_of_stream).into()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.0.request_trailers(&Envoy).into()
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.0.response_headers(&Envoy, end_of_stream).into()
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.0.response_body(&Envoy, size, end_of_stream).into()
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.0.response_trailers(&Envoy).into()
    }

    fn on_log(&mut self) {
        // Nothing else borrows the labels, and metrics must not fail a request.
        let _ = LABELS.try_with(|labels| {
            if let Ok(mut labels) = labels.try_borrow_mut() {
                self.0.end(&Envoy, &mut labels);
            }
        });
    }
}

impl From<Step> for Action {
    fn from(step: Step) -> Self {
        match step {
            Step::Continue => Self::Continue,
            Step::Stop => Self::Pause,
        }
    }
}
