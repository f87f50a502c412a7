//! Counts nothing yet.
#![allow(missing_docs)]
#[derive(Debug)]
pub struct Meter;
#[derive(Debug, Clone, Copy)]
pub enum End {
    Complete,
    ClientAborted,
    UpstreamBroke,
}
#[derive(Debug, Default)]
pub struct Usage {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub cached_input: Option<u64>,
    pub cache_creation_input: Option<u64>,
    pub reasoning: Option<u64>,
}
#[derive(Debug, Default, Clone, Copy)]
pub enum Source {
    #[default]
    NotApplicable,
}
impl Source {
    pub const fn as_str(self) -> &'static str {
        "not_applicable"
    }
}
#[derive(Debug, Clone, Copy)]
pub enum Missing {
    NoUsage,
}
impl Missing {
    pub const fn as_str(self) -> &'static str {
        "no_usage"
    }
}
#[derive(Debug, Default)]
pub struct Metered {
    pub usage: Usage,
    pub source: Source,
    pub missing: Option<Missing>,
    pub estimate: Option<u64>,
}
impl Meter {
    pub fn new(_: crate::operation::Operation, _: &crate::headers::HeaderMap) -> Self {
        Self
    }
    pub fn push(&mut self, _: &[u8]) {}
    pub fn content_seen(&self) -> bool {
        false
    }
    pub fn finish(self, _: End) -> Metered {
        Metered::default()
    }
}
