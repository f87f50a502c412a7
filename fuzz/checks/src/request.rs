//! The headers of a request on their way through identity, access and forwarding. An input is header lines, `name: value`,
//! or Proxy-Wasm's serialised map.

use std::rc::Rc;

use serde_json::{Value, json};
use tollgate::access::Mode;
use tollgate::attribute::Attribute;
use tollgate::exchange::{Exchange, Map, Offline, Step};
use tollgate::forward::Changes;
use tollgate::headers::HeaderMap;
use tollgate::identity::Fairness;
use tollgate::operation::{ModelIn, Operation};
use tollgate::policy::{Forwarding, Policy};
use tollgate::rewrite::ask::ADDED_LENGTH;

/// The key of the tenant `acme`.
pub const KEY: &str = "sk-tollgate-acme-demo";
/// The credential of the inference server.
const SERVER_KEY: &str = "sk-server-0123456789";
/// What the lock behind the filter looks for.
const LOCK: &str = "opened-by-the-filter";
/// `printf %s gateway-secret | sha256sum`
const SECRET_HASH: &str = "sha256:1e0baae50a6e2006d894f9e64c53a1317e6032f4ba67df08199d5378c5948ce6";

/// The names that only the filter, the gateway and the scheduler may say, as docs/reference.md lists them.
const OWNED: [&str; 25] = [
    "x-tollgate-",
    "x-llm-d-",
    "x-gateway-",
    "x-slo-",
    "x-envoy-",
    "x-eg-internal-",
    "x-aigw-",
    "x-vllm-",
    "x-override-",
    "x-smg-",
    "x-sglext-",
    "x-dynamo-",
    "x-epp-",
    "x-aibrix-",
    "target-pod-",
    "prefill-target-pod",
    "x-serve-router-",
    "x-litellm-",
    "x-pass-",
    "x-portkey-",
    "x-vsr-",
    "knative-serving-",
    "seldon-",
    "x-http-",
    "x-accel-",
];
const OWNED_NAMES: [&str; 43] = [
    "x-prefiller-host-port",
    "x-prefiller-url",
    "x-encoder-hosts-ports",
    "x-kv-cache-source-host-port",
    "x-data-parallel-host-port",
    "x-data-parallel-rank",
    "epp-profile",
    "prefer",
    "test-epp-endpoint-selection",
    "x-target-worker",
    "x-body-compressed",
    "x-custom-labels",
    "x-worker-instance-id",
    "x-prefill-instance-id",
    "x-dp-rank",
    "x-prefill-dp-rank",
    "x-enable-local-updates",
    "x-priority",
    "target-pod",
    "routing-strategy",
    "external-filter",
    "config-profile",
    "user",
    "model",
    "serve-multiplexed-model-id",
    "x-request-timeout-seconds",
    "x-request-disconnect-disabled",
    "x-conversation-id",
    "x-selected-model",
    "x-label-selector",
    "x-seldon-route",
    "azureml-model-deployment",
    "x-goog-user-project",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-original-path",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-method",
    "x-sendfile-type",
];
const SPARED: [&str; 8] = [
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
];

/// What a body-based router in front says of the model.
const ROUTER_HEADERS: [&str; 2] = ["x-gateway-model-name", "x-gateway-base-model-name"];

/// The moment of every request, in nanoseconds since the epoch.
const NOW: u64 = 1_780_272_000_000_000_000;

type Header = (Vec<u8>, Vec<u8>);

thread_local! {
    static POLICIES: Vec<Rc<Policy>> = policies();
}

/// Nothing owned or secret goes on, whatever came, save what the filter sets from the identity; nobody gets in unknown.
pub fn check(input: &[u8]) {
    let headers = match HeaderMap::decode(input.to_vec()) {
        Some(headers) => headers,
        None => {
            let lines = lines(input);
            let headers = HeaderMap::decode(serialised(&lines)).expect("a map that is whole");
            assert_eq!(collect(&headers), lines);
            headers
        }
    };
    // Envoy's own codecs let each pseudo-header in once.
    let paths = headers.values(":path").count();
    if paths > 1 {
        return;
    }
    let verified = |path: &[&str]| match path {
        [.., "payload", "iss"] => Attribute::Value(b"https://issuer".to_vec()),
        [.., "payload", "exp"] => Attribute::Value(1.0_f64.to_le_bytes().to_vec()),
        [.., "payload", "sub"] => Attribute::Value(b"user-1".to_vec()),
        [.., "payload", "tenant"] => Attribute::Value(b"acme".to_vec()),
        _ => Attribute::Absent,
    };
    let nothing = |_: &[&str]| Attribute::Absent;
    POLICIES.with(|policies| {
        for policy in policies {
            for has_body in [true, false] {
                pass(&headers, has_body, policy, &nothing, false);
                pass(&headers, has_body, policy, &verified, true);
            }
        }
    });
}

fn pass(
    headers: &HeaderMap,
    has_body: bool,
    policy: &Rc<Policy>,
    attributes: &dyn Fn(&[&str]) -> Attribute,
    has_token: bool,
) {
    let host = Offline::new(headers, NOW, attributes);
    let mut exchange = Exchange::new(Some(Rc::clone(policy)));
    let step = exchange.request_headers(&host, !has_body);
    let Some(permit) = exchange.permit() else {
        assert_eq!(step, Step::Stop);
        assert!(host.sent().is_some(), "nobody is told no in silence");
        assert_eq!(collect(headers), host.headers_now(Map::RequestHeaders));
        return;
    };
    let operation = exchange.operation().expect("an operation of the table");
    let before = collect(headers);
    let known = permit.identity().is_some();
    let key = permit.identity().and_then(|identity| identity.key());
    if known && !has_token {
        let proofs: [&[u8]; 2] = [KEY.as_bytes(), b"gateway-secret"];
        let proven = before.iter().any(|(_, value)| {
            let mut proofs = proofs.iter();
            proofs.any(|proof| value.windows(proof.len()).any(|part| part == *proof))
        });
        assert!(proven, "an identity from nowhere: {before:?}");
    }
    if matches!(
        operation,
        Operation::ListModels | Operation::ShowModel | Operation::Preflight
    ) {
        assert!(permit.is_empty(), "{operation:?} takes a body");
    }
    if permit.is_empty() {
        assert!(!operation.names_model(), "{operation:?} takes no body");
        assert!(permit.judge_size(0).is_ok());
        assert!(permit.judge_size(1).is_err(), "a body goes on");
        let mut announced = headers.values("content-length");
        let nothing = announced.all(|length| length.iter().all(|digit| *digit == b'0'));
        assert!(nothing, "an announced body goes on");
    }
    if !matches!(
        operation,
        Operation::Extra | Operation::Public | Operation::Preflight
    ) {
        let path = headers.first(":path").unwrap_or_default();
        assert_no_parameter(path, &["model", "engine"]);
    }
    if policy.access.mode == Mode::Enforce && operation.needs_identity() {
        assert!(known, "nobody may do {operation:?}");
    }
    let changes = host.changes();
    check_changes(&changes, headers, policy, operation, key);
    let after = applied(&before, &changes);
    check_headers(&before, &after, policy, known, operation);
    check_body_headers(&before, &after, operation, has_body);
    check_admitted(&after, policy);
}

/// A server reads a body as what it was judged as, and learns of none where none may follow.
fn check_body_headers(before: &[Header], after: &[Header], operation: Operation, has_body: bool) {
    let values = |name: &[u8]| -> Vec<&[u8]> {
        let named = after.iter().filter(|(other, _)| canonical(other) == name);
        named.map(|(_, value)| value.as_slice()).collect()
    };
    match operation.model_in() {
        Some(ModelIn::Json) => assert_eq!(values(b"content-type"), [b"application/json"]),
        Some(ModelIn::Form) => {
            let types = values(b"content-type");
            assert_eq!(types.len(), 1, "{types:?}");
            assert!(types[0].starts_with(b"multipart/form-data; boundary="));
        }
        None => {}
    }
    let takes_none = matches!(
        operation,
        Operation::ListModels | Operation::ShowModel | Operation::Preflight
    );
    if takes_none && has_body && !before.iter().any(|(name, _)| name == b"content-length") {
        assert_eq!(values(b"content-length"), [b"0"], "the end is left open");
    }
}

/// What the lock behind the filter looks for is there once, whoever came and whatever they sent.
fn check_admitted(after: &[Header], policy: &Policy) {
    let Some(admitted) = &policy.admitted else {
        return;
    };
    let found = after
        .iter()
        .filter(|(name, _)| canonical(name) == canonical(admitted.name.as_bytes()));
    let values: Vec<&[u8]> = found.map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [admitted.value.expose().as_bytes()]);
}

/// What is set is from the configuration, and follows from nothing that the client says.
fn check_changes(
    changes: &Changes,
    headers: &HeaderMap,
    policy: &Policy,
    operation: Operation,
    key: Option<&Rc<str>>,
) {
    for (name, value) in &changes.set {
        match *name {
            "content-type" if operation.model_in() == Some(ModelIn::Json) => {
                assert_eq!(&**value, "application/json");
            }
            "content-type" => {
                let boundary = value.strip_prefix("multipart/form-data; boundary=");
                let boundary = boundary.expect("a boundary").as_bytes();
                let sent = headers.first("content-type").unwrap_or_default();
                assert!(sent.windows(boundary.len()).any(|part| part == boundary));
            }
            "content-length" if !operation.names_model() => {
                assert_eq!(&**value, "0");
                assert_eq!(headers.first("content-length"), None);
            }
            "content-length" => {
                let sent = headers.first("content-length").unwrap_or_default();
                let sent: u64 = String::from_utf8_lossy(sent).parse().expect("a length");
                assert_eq!(**value, sent.saturating_add(ADDED_LENGTH).to_string());
            }
            name => {
                assert!(is_owned(name.as_bytes(), policy), "sets {name}");
                let is_key = policy.identities.fairness == Fairness::Key && key == Some(value);
                let configured = ["acme", "interactive", "user-1"].contains(&&**value);
                let principal = headers.first("x-principal");
                let of_principal = principal.map(trimmed) == Some(value.as_bytes());
                assert!(configured || is_key || of_principal, "sets {name}: {value}");
                // What the gateway in front has proved to say may be anything.
                assert!(
                    of_principal || !value.contains(KEY),
                    "sets {name} to the key"
                );
                assert!(of_principal || !value.contains(SERVER_KEY));
            }
        }
    }
    let replaces = matches!(policy.forwarding, Forwarding::Replace(_));
    let replaced = replaces && operation != Operation::Preflight;
    let secrets = usize::from(replaced) + usize::from(policy.admitted.is_some());
    assert_eq!(changes.secrets.len(), secrets);
    for (index, name) in changes.remove.iter().enumerate() {
        assert!(!changes.remove[..index].contains(name), "removed twice");
        assert!(headers.iter().any(|(other, _)| other == name));
    }
}

/// No header that goes on is owned, or a credential, unless the filter says so.
fn check_headers(
    before: &[Header],
    after: &[Header],
    policy: &Policy,
    known: bool,
    operation: Operation,
) {
    let set_by_us = |header: &Header| !before.contains(header) || known;
    // They are held against the body.
    let routes = |header: &Header| {
        let (name, _) = header;
        let copies = before.iter().filter(|(other, _)| other == name).count();
        operation.names_model()
            && before.contains(header)
            && copies == 1
            && ROUTER_HEADERS
                .iter()
                .any(|router| router.as_bytes() == name)
    };
    let mut kept = 0;
    for header @ (name, value) in after {
        let text = String::from_utf8_lossy(name);
        if is_owned(name, policy) && !routes(header) {
            assert!(known && set_by_us(header), "{text} goes on");
            assert_eq!(*name, name.to_ascii_lowercase());
            let copies = after.iter().filter(|(other, _)| other == name).count();
            assert_eq!(copies, 1, "{text} goes on twice");
            let values: [&[u8]; 4] = [b"acme", b"interactive", b"user-1", b"KEYS-1"];
            let principal = before.iter().find(|(name, _)| name == b"x-principal");
            assert!(
                values.contains(&value.as_slice())
                    || principal.is_some_and(|(_, principal)| trimmed(principal) == value),
                "{text} goes on with a client's word"
            );
        }
        let is_source = policy
            .identities
            .sources
            .iter()
            .any(|source| canonical(name) == canonical(source.header.as_bytes()));
        if is_source && !value.ends_with(SERVER_KEY.as_bytes()) {
            assert_eq!(policy.forwarding, Forwarding::Keep, "{text} goes on");
            assert!(known, "{text} of nobody goes on");
            kept += 1;
        }
        if policy.identities.trusted_headers.is_some() {
            assert_ne!(canonical(name), b"x-proof", "the proof goes on");
            assert!(known || canonical(name) != b"x-principal", "{text} goes on");
        }
        if name == b":path" && std::str::from_utf8(value).is_ok() {
            let secrets = ["access-token", "api-key", "auth", "key", "token"];
            assert_no_parameter(value, &secrets);
        }
    }
    let names: Vec<_> = after.iter().map(|(name, _)| canonical(name)).collect();
    if kept > 1 {
        let of_source = |name: &&Vec<u8>| {
            let mut sources = policy.identities.sources.iter();
            sources.any(|source| **name == source.header.as_bytes())
        };
        let mut kept: Vec<_> = names.iter().filter(of_source).collect();
        kept.dedup();
        assert_eq!(kept.len(), 1, "more than one credential goes on");
    }
}

fn assert_no_parameter(path: &[u8], unwanted: &[&str]) {
    let path = String::from_utf8_lossy(path);
    let Some((_, query)) = path.split_once('?') else {
        return;
    };
    for parameter in query.split(['&', ';']) {
        let name = parameter.split('=').next().unwrap_or_default();
        let name = canonical(&unescaped(name.as_bytes()));
        let is_unwanted = unwanted.iter().any(|unwanted| name == unwanted.as_bytes());
        assert!(!is_unwanted, "{parameter} goes on");
    }
}

/// Percent-decoded, as every server does it.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escape = match after {
            [high, low, ..] if byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = &after[2..];
            }
            None => bytes.push(byte),
        }
    }
    bytes
}

/// A header's name to a reader that ignores case and takes `_` for `-`.
fn canonical(name: &[u8]) -> Vec<u8> {
    let letter = |byte: &u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    name.iter().map(letter).collect()
}

fn is_owned(name: &[u8], policy: &Policy) -> bool {
    let model_header = policy.access.model_header.name.as_bytes();
    let canonical_name = canonical(name);
    let text = String::from_utf8_lossy(&canonical_name);
    name != model_header
        && (OWNED.iter().any(|prefix| text.starts_with(prefix)) && !SPARED.contains(&&*text)
            || OWNED_NAMES.contains(&&*text)
            || canonical_name == canonical(model_header))
}

/// The headers once the changes are written, as Envoy writes them.
fn applied(before: &[Header], changes: &Changes) -> Vec<Header> {
    let mut after = before.to_vec();
    for name in &changes.remove {
        after.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }
    let set = changes.set.iter().map(|(name, value)| (*name, &**value));
    let secrets = changes.secrets.iter();
    let secrets = secrets.map(|header| (&*header.name, header.value.expose()));
    let path = changes.path.as_deref().map(|path| (":path", path));
    for (name, value) in set.chain(secrets).chain(path) {
        after.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        after.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    }
    after
}

fn collect(headers: &HeaderMap) -> Vec<Header> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// `name: value` on each line; a name may begin with a colon.
pub fn lines(input: &[u8]) -> Vec<Header> {
    let lines = input.split(|&byte| byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let colon = line.iter().skip(1).position(|&byte| byte == b':');
            let (name, value) = line.split_at(colon.map_or(line.len(), |at| at + 1));
            let value = value.get(1..).unwrap_or_default();
            (name.to_vec(), trimmed(value).to_vec())
        })
        .collect()
}

/// Without the white space that HTTP knows around a value.
fn trimmed(value: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| *byte != b' ' && *byte != b'\t';
    let start = value.iter().position(is_text).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(is_text)
        .map_or(start, |last| last + 1);
    &value[start..end]
}

fn serialised(headers: &[Header]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).expect("short").to_le_bytes();
    let mut bytes = number(headers.len()).to_vec();
    for (name, value) in headers {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for (name, value) in headers {
        bytes.extend([name, b"\0".as_slice(), value, b"\0"].concat());
    }
    bytes
}

/// Configurations that differ in what goes on.
fn policies() -> Vec<Rc<Policy>> {
    let base = json!({
        "tenants": {"acme": {"groups": ["research"], "objective": "interactive"}},
        "keysFrom": [{"env": "KEYS", "format": "plain", "tenant": "acme"}],
        "models": {"*": {"access": "authenticated"}},
        "jwt": [{"metadataKey": "payload", "issuer": "https://issuer", "tenantClaim": "tenant", "userClaim": "sub", "defaultTenant": "acme"}],
        "publicPaths": [{"method": "GET", "path": "/health"}],
        "extraPaths": [{"method": "POST", "path": "/tokenize", "groups": ["research"]}],
    });
    let with = |name: &str, value: Value| {
        let mut config = base.clone();
        config[name] = value;
        config
    };
    let mut trusted = with(
        "trustedHeaders",
        json!({
            "proof": {"header": "x-proof", "secretHash": SECRET_HASH},
            "principalHeader": "x-principal",
            "defaultTenant": "acme",
        }),
    );
    trusted["fairness"] = json!({"from": "user"});
    let mut keyed = with("fairness", json!({"from": "key"}));
    keyed["modelHeader"] = json!({"name": "x-gateway-model-name", "required": false});
    let mut locked = with(
        "admittedHeader",
        json!({"name": "x-admitted", "value": LOCK}),
    );
    locked["credentials"] = json!({"forward": {"env": "SERVER_KEY"}});
    [
        locked,
        base.clone(),
        with("credentials", json!({"forward": "keep"})),
        with("credentials", json!({"forward": {"env": "SERVER_KEY"}})),
        with("mode", json!("audit")),
        with("mode", json!("open")),
        trusted,
        keyed,
    ]
    .iter()
    .map(|config| Rc::new(policy(config)))
    .collect()
}

fn policy(config: &Value) -> Policy {
    let environment = |name: &str| match name {
        "KEYS" => Some(KEY.to_owned()),
        "SERVER_KEY" => Some(SERVER_KEY.to_owned()),
        _ => None,
    };
    match tollgate::config::compile(config.to_string().as_bytes(), &environment) {
        Ok(policy) => policy,
        Err(faults) => panic!("the configuration has faults: {faults:?}"),
    }
}
