//! Behind Envoy AI Gateway: the manifests of `examples/envoy-ai-gateway/`, run in the Envoy configuration that Envoy Gateway
//! and AI Gateway make of them, with an external processor that does what theirs does.

mod attachment;
mod identity;
mod lists;
mod manifests;
mod messages;
mod metering;
mod model_list;
mod processor;
mod retries;
mod server;
mod xds;

use crate::harness::{Builder, Gateway, envoy_version};
use manifests::Manifests;
use processor::Settings;
use server::Processor;
use xds::{Attachment, translate};

/// A running gateway with its processor.
struct AiGateway {
    gateway: Gateway,
    processor: Processor,
}

/// Whether this Envoy is older than those that AI Gateway 1.1 comes with, which lack what is configured here.
fn is_too_old() -> bool {
    let too_old = envoy_version() < [1, 38];
    if too_old {
        println!("skipped: AI Gateway 1.1 needs Envoy 1.38 or later");
    }
    too_old
}

/// The shipped manifests with the policy at the Gateway.
fn start() -> AiGateway {
    start_with(&Manifests::shipped(), Attachment::Gateway, |builder| {
        builder
    })
}

/// Other manifests, another place of the policy, another upstream.
fn start_with(
    manifests: &Manifests,
    attachment: Attachment,
    choose: impl FnOnce(Builder) -> Builder,
) -> AiGateway {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let route = manifests.spec("AIGatewayRoute");
    let costs = route["llmRequestCosts"].as_array().into_iter().flatten();
    let removed = &manifests.spec("AIServiceBackend")["headerMutation"]["remove"];
    let processor = Processor::start(Settings {
        models: xds::rules(manifests),
        costs: costs
            .map(|cost| (text(&cost["metadataKey"]), text(&cost["type"])))
            .collect(),
        remove: removed.as_array().into_iter().flatten().map(text).collect(),
    });
    let (address, translated) = (processor.address, manifests.clone());
    let builder = Gateway::builder().config(manifests.config().clone());
    let gateway = choose(builder)
        .amended(move |bootstrap| translate(bootstrap, &translated, attachment, address))
        .start();
    AiGateway { gateway, processor }
}
