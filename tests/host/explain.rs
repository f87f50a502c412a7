//! `tollgate explain` says what the filter does: both get the same requests, and must agree.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tollgate_tests::command;
use tollgate_tests::demo::GLOBEX_KEY;

use crate::fixtures::{ACME_KEY, ISSUER, JSON_REPLY, configuration, key_hash};
use crate::host::{Host, flags, pairs};
use crate::world::Stream;

const OLD_KEY: &str = "sk-tollgate-old-demo";
const NARROW_KEY: &str = "sk-tollgate-narrow-demo";

/// A request as both get it.
#[derive(Default)]
struct Request {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    key: Option<&'static str>,
    claims: Option<Value>,
    body: &'static str,
}

impl Request {
    fn chat(body: &'static str) -> Self {
        Self {
            method: "POST",
            path: "/v1/chat/completions",
            body,
            ..Self::default()
        }
    }

    fn path(self, method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            ..self
        }
    }

    fn key(self, key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    fn claims(self, claims: Value) -> Self {
        Self {
            claims: Some(claims),
            ..self
        }
    }

    fn headers(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    /// The headers as they arrive, those that the command takes as they are first.
    fn arriving(&self) -> Vec<(String, String)> {
        let pseudo = [(":method", self.method), (":path", self.path)];
        let mut headers: Vec<_> = pseudo
            .iter()
            .chain(self.headers)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if let Some(key) = self.key {
            headers.push(("authorization".to_owned(), format!("Bearer {key}")));
        }
        headers
    }

    /// What the filter makes of it.
    fn filtered(&self, config: &Value) -> Stream {
        let mut host = Host::configured(&config.to_string());
        let exchange = host.prepared(|stream| {
            if let Some(claims) = &self.claims {
                stream.metadata = json!({"envoy.filters.http.jwt_authn": {"payload": claims}});
            }
        });
        let exchange = exchange.request_headers(pairs(&self.arriving()), self.body.is_empty());
        let exchange = match self.body {
            "" => exchange,
            body => exchange.body_frame(body.as_bytes(), true),
        };
        exchange
            .response(&JSON_REPLY)
            .reply(&["{}"])
            .log(flags::NONE)
    }

    /// What the command says of it, which is verdict and exit code at once.
    fn explained(&self, config: &Value) -> Value {
        let folder = Folder::new();
        let mut line = vec![folder.file("config.json", &config.to_string())];
        let mut say = |name: &str, value: &str| line.extend([name.to_owned(), value.to_owned()]);
        say("--at", "2026-06-01T00:00:00Z");
        say("--method", self.method);
        say("--path", self.path);
        for (name, value) in self.headers {
            say("--header", &format!("{name}: {value}"));
        }
        if let Some(claims) = &self.claims {
            say("--claims", &folder.file("claims.json", &claims.to_string()));
        }
        if self.method == "POST" {
            say("--body", &folder.file("body", self.body));
        }
        if self.key.is_some() {
            line.push("--key-stdin".to_owned());
        }
        let said = tollgate(&["--json", "explain"], &line, self.key.unwrap_or_default());
        let answer: Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said.stderr));
        let good = answer["verdict"] == "allowed";
        assert_eq!(said.code, i32::from(!good));
        answer
    }
}

/// A folder that goes with its files.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-explain-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a new folder");
        Self(folder)
    }

    /// Writes a file, and says where it is.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file in a folder of our own");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the command said.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

fn tollgate(task: &[&str], line: &[String], stdin: &str) -> Said {
    let mut child = Command::new(command())
        .args(task)
        .args(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut input = child.stdin.take().expect("its standard input");
    // It may have ended without reading.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The headers that arrive, once the changes are made that the command tells of.
fn changed(arriving: Vec<(String, String)>, said: &Value) -> Vec<String> {
    let names = |member: &str| -> Vec<String> {
        let names = said[member].as_array().expect("a list").iter();
        names
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    };
    let (stripped, replaced) = (names("stripped"), names("replaced"));
    let kept = arriving
        .into_iter()
        .filter(|(name, _)| !stripped.contains(name) && !replaced.contains(name));
    let set = said["set"].as_object().expect("headers").iter();
    let set = set.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()));
    let mut headers: Vec<String> = kept
        .chain(set)
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    headers
}

fn sorted(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{}: {}", text(name), text(value)))
        .collect();
    headers.sort();
    headers
}

/// Whether both say the same of a request.
fn assert_agree(name: &str, request: &Request, config: &Value) {
    let (filtered, said) = (request.filtered(config), request.explained(config));
    let code = |denial: &str| filtered.filter_state.get(denial).cloned();
    match &filtered.local_reply {
        Some(reply) => {
            let denial = &said["denial"];
            assert_eq!(said["verdict"], "denied", "{name}");
            assert_eq!(denial["status"], reply.status, "{name}");
            assert_eq!(
                denial["body"],
                String::from_utf8_lossy(&reply.body).as_ref(),
                "{name}"
            );
            assert_eq!(
                code("wasm.tollgate.denial").as_deref(),
                denial["code"].as_str(),
                "{name}"
            );
            let headers = denial["headers"].as_object().expect("headers").iter();
            let mut headers: Vec<String> = headers
                .map(|(name, value)| format!("{name}: {}", value.as_str().expect("text")))
                .collect();
            headers.sort();
            assert_eq!(headers, sorted(&reply.headers), "{name}");
        }
        None => {
            assert_eq!(said["verdict"], "allowed", "{name}: {said}");
            let upstream = filtered.upstream_headers.as_ref().expect("it goes on");
            assert_eq!(
                changed(request.arriving(), &said),
                sorted(upstream),
                "{name}"
            );
            let asked = filtered.upstream_body != request.body.as_bytes();
            assert_eq!(said["usage"] == "askedAndHidden", asked, "{name}");
        }
    }
    let may_use = &said["model"]["allowed"];
    if said["denial"]["code"] == "model_not_allowed" {
        assert_eq!(*may_use, false, "{name}");
    }
    if said["verdict"] == "allowed" && said["mode"] == "enforce" {
        assert_ne!(*may_use, false, "{name}");
    }
    let tenant = code("wasm.tollgate.tenant");
    if tenant.is_some() {
        assert_eq!(tenant.as_deref(), said["who"]["tenant"].as_str(), "{name}");
    }
    if config["mode"] == "audit" {
        assert_eq!(
            code("wasm.tollgate.would_deny").as_deref(),
            said["wouldDeny"]["code"].as_str(),
            "{name}"
        );
    }
}

const LLAMA: &str = r#"{"model":"llama-3.1-8b"}"#;
const QWEN: &str = r#"{"model":"qwen-3-32b"}"#;
const FORM: &str =
    "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nllama-3.1-8b\r\n--b--\r\n";
const FORGED: [(&str, &str); 5] = [
    ("x-tollgate-tenant", "vip"),
    ("x_gateway_model_name_rewrite", "vip"),
    ("x-slo-ttft-ms", "1"),
    ("accept-encoding", "gzip"),
    ("user-agent", "curl"),
];

fn requests() -> Vec<(&'static str, Request)> {
    let token = || json!({"iss": ISSUER, "exp": 1_900_000_000, "sub": "u1", "tenant": "acme", "groups": ["staff", "research"]});
    let chat = || Request::chat(LLAMA);
    vec![
        ("key", chat().key(ACME_KEY)),
        ("forged headers", chat().key(ACME_KEY).headers(&FORGED)),
        ("stream", Request::chat(r#"{"model":"llama-3.1-8b","stream":true}"#).key(ACME_KEY)),
        ("stream with usage", Request::chat(r#"{"model":"llama-3.1-8b","stream":true,"stream_options":{"include_usage":true}}"#).key(ACME_KEY)),
        ("token", chat().claims(token())),
        ("token of the default tenant", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": ["sales"]}))),
        ("token and key", chat().claims(token()).key(ACME_KEY)),
        ("unlisted issuer", chat().claims(json!({"iss": "https://other"}))),
        ("unknown tenant", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "tenant": "initech"}))),
        ("two tenants", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "tenant": ["acme", "globex"]}))),
        ("a tenant that is no text", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "tenant": 5}))),
        ("a token for ever", chat().claims(json!({"iss": ISSUER}))),
        ("an object of groups", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": {"0": "research"}}))),
        ("null in the groups", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": ["sales", null]}))),
        ("too many groups", chat().claims(json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": (0..65).map(|n| format!("g{n}")).collect::<Vec<_>>()}))),
        ("nobody", chat()),
        ("nobody for an open model", Request::chat(r#"{"model":"public/tiny"}"#)),
        ("unknown key", chat().key("sk-unknown")),
        ("key that cannot be one", chat().key("sk unknown")),
        ("expired key", chat().key(OLD_KEY)),
        ("narrowed key", Request::chat(QWEN).key(NARROW_KEY)),
        ("model of other groups", Request::chat(QWEN).key(GLOBEX_KEY)),
        ("model of other groups in the header", Request::chat(QWEN).key(GLOBEX_KEY).headers(&[("x-ai-eg-model", "qwen-3-32b")])),
        ("other model in the header", chat().key(ACME_KEY).headers(&[("x-ai-eg-model", "qwen-3-32b")])),
        ("model without a rule", Request::chat(r#"{"model":"gpt-6"}"#).key(ACME_KEY)),
        ("no model", Request::chat(r#"{"messages":[]}"#).key(ACME_KEY)),
        ("two models", Request::chat(r#"{"model":"llama-3.1-8b","model":"qwen-3-32b"}"#).key(ACME_KEY)),
        ("cut body", Request::chat(r#"{"model":"llama-3.1-8b""#).key(ACME_KEY)),
        ("no body", Request::chat("").key(ACME_KEY)),
        ("encoded body", chat().key(ACME_KEY).headers(&[("content-encoding", "gzip")])),
        ("id of the request", Request::chat(QWEN).key(GLOBEX_KEY).headers(&[("x-request-id", "5ad0b1e7-2b4e")])),
        ("messages", Request::chat(QWEN).key(GLOBEX_KEY).path("POST", "/v1/messages")),
        ("background", Request::chat(r#"{"model":"llama-3.1-8b","background":true}"#).key(ACME_KEY).path("POST", "/v1/responses")),
        ("form", Request::chat(FORM).key(ACME_KEY).path("POST", "/v1/audio/transcriptions").headers(&[("content-type", "multipart/form-data; boundary=\"b\"")])),
        ("form without a boundary", Request::chat(FORM).key(ACME_KEY).path("POST", "/v1/audio/transcriptions")),
        ("list of models", Request::chat("").key(ACME_KEY).path("GET", "/v1/models").headers(&[("if-none-match", "1")])),
        ("one model", Request::chat("").key(ACME_KEY).path("GET", "/v1/models/qwen-3-32b")),
        ("one model of other groups", Request::chat("").key(GLOBEX_KEY).path("GET", "/v1/models/qwen-3-32b")),
        ("public path", Request::chat("").key(ACME_KEY).path("GET", "/health").headers(&FORGED)),
        ("extra path", Request::chat("{}").key(ACME_KEY).path("POST", "/tokenize")),
        ("extra path of other groups", Request::chat("{}").key(GLOBEX_KEY).path("POST", "/tokenize")),
        ("path of no table", Request::chat("{}").key(ACME_KEY).path("POST", "/sleep")),
        ("escaped path", chat().key(ACME_KEY).path("POST", "/v1/chat%2fcompletions")),
        ("preflight", Request::chat("").path("OPTIONS", "/v1/chat/completions").headers(&[("origin", "https://a"), ("access-control-request-method", "POST")])),
    ]
}

/// The demo, with more to be decided.
fn config() -> Value {
    let mut config = configuration();
    let keys = config["keys"].as_array_mut().expect("keys");
    keys.push(json!({"id": "old", "tenant": "acme", "keyHash": key_hash(OLD_KEY), "expiresAt": "2026-01-01T00:00:00Z"}));
    keys.push(json!({"id": "narrow", "tenant": "acme", "keyHash": key_hash(NARROW_KEY), "models": ["llama-*"]}));
    config["models"]["public/*"] = json!({"access": "anonymous"});
    config["extraPaths"] = json!([{"method": "POST", "path": "/tokenize", "groups": ["research"]}]);
    config
}

#[test]
fn the_command_and_the_filter_agree() {
    let changes = [
        ("as it is", "mode", json!("enforce")),
        ("audit", "mode", json!("audit")),
        ("open", "mode", json!("open")),
        ("hidden models", "hideDeniedModels", json!(true)),
        (
            "no usage asked for",
            "metering",
            json!({"filterState": true, "streamUsage": "observe"}),
        ),
        ("fairness by key", "fairness", json!({"from": "key"})),
        ("fairness by user", "fairness", json!({"from": "user"})),
        ("credential kept", "credentials", json!({"forward": "keep"})),
        (
            "bare header",
            "credentials",
            json!({"sources": [{"header": "authorization", "scheme": "Bearer"}, {"header": "x-key"}]}),
        ),
        (
            "model header required",
            "modelHeader",
            json!({"name": "x-ai-eg-model", "required": true}),
        ),
    ];
    for (change, section, value) in changes {
        let mut config = config();
        config[section] = value;
        for (name, request) in requests() {
            assert_agree(&format!("{change}: {name}"), &request, &config);
        }
    }
}
