//! What a code generator would write for a gRPC service with one method.

/// Serves the method at `$path` of a service by its `UnaryService` (`unary`) or `StreamingService` (`streaming`). Every
/// other path is unimplemented.
#[macro_export]
macro_rules! served {
    ($service:ty, $kind:ident, $path:expr) => {
        impl<B> ::tonic::codegen::Service<::tonic::codegen::http::Request<B>> for $service
        where
            B: ::tonic::codegen::Body + Send + 'static,
            B::Error: Into<::tonic::codegen::StdError> + Send + 'static,
        {
            type Response = ::tonic::codegen::http::Response<::tonic::body::Body>;
            type Error = ::std::convert::Infallible;
            type Future = ::tonic::codegen::BoxFuture<Self::Response, Self::Error>;

            fn poll_ready(
                &mut self,
                _: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Result<(), Self::Error>> {
                ::std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: ::tonic::codegen::http::Request<B>) -> Self::Future {
                let service = self.clone();
                Box::pin(async move {
                    let path = $path;
                    if request.uri().path() != path {
                        let status = ::tonic::Status::unimplemented(format!("only {path}"));
                        return Ok(status.into_http());
                    }
                    let codec = ::tonic_prost::ProstCodec::default();
                    Ok(::tonic::server::Grpc::new(codec)
                        .$kind(service, request)
                        .await)
                })
            }
        }
    };
}
