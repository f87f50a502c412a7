//! Tollgate: API keys, model access, token metering and fairness for LLM inference, inside Envoy.
pub mod json;
pub mod meter;
pub mod sse;
pub mod usage;
