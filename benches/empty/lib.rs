//! A filter that does nothing: what Envoy's Wasm host and the SDK cost by themselves.

#[cfg(target_os = "wasi")]
#[allow(
    unsafe_code,
    reason = "the SDK's macro exports the module's entry point"
)]
mod entry {
    use proxy_wasm::traits::{Context, HttpContext};

    struct Nothing;

    impl Context for Nothing {}

    impl HttpContext for Nothing {}

    proxy_wasm::main! {{
        proxy_wasm::set_http_context(|_, _| Box::new(Nothing));
    }}
}
