//! An external processor that does what AI Gateway's does (`internal/extproc` there, v1.1), for OpenAI's API on both sides.
//!
//! Envoy asks it twice. The filter among Envoy's HTTP filters, in front of Tollgate, has it read the body and name the
//! model; the filter in the cluster, behind Tollgate and once for each attempt, has it prepare what the server gets. The
//! second knows of the first by a header with an id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::messages::{
    Answer, AppendAction, BodyMutation, BodySendMode, CommonResponse, HeaderMap, HeaderMutation,
    HeaderValue, HeaderValueOption, HttpStatus, ImmediateResponse, Kind, Phase, ProcessingMode,
    ProcessingRequest, ProcessingResponse, Status, StepResponse, Struct, Value as Metadata,
};

const MODEL: &str = "x-ai-eg-model";
const ORIGINAL_PATH: &str = "x-ai-eg-original-path";
const ENVOY_ORIGINAL_PATH: &str = "x-envoy-original-path";
const REQUEST_ID: &str = "x-ai-eg-internal-req-id";
/// Where AI Gateway's counts are found in dynamic metadata.
const NAMESPACE: &str = "io.envoy.ai_gateway";

/// The paths whose bodies it reads.
const READ: [&str; 4] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/anthropic/v1/messages",
];
const LISTS: [&str; 2] = ["/v1/models", "/anthropic/v1/models"];

/// What the resources of AI Gateway tell it.
#[derive(Clone, Default)]
pub(super) struct Settings {
    /// The models that routes name.
    pub(super) models: Vec<String>,
    /// `llmRequestCosts`: metadata key to type.
    pub(super) costs: Vec<(String, String)>,
    /// `headerMutation.remove` of the backend.
    pub(super) remove: Vec<String>,
}

/// One request, from its headers on.
#[derive(Clone, Default)]
struct Captured {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// Whether the body differs from the client's.
    changed: bool,
    streamed: bool,
    attempts: usize,
}

/// What all streams of the protocol share.
#[derive(Default)]
pub(super) struct Desk {
    settings: Settings,
    captured: BTreeMap<String, Captured>,
    begun: usize,
    /// The paths of requests that came to the first of the two filters, in order.
    pub(super) asked: Vec<String>,
}

/// One stream of the protocol: what it is about, as soon as that is known.
#[derive(Default)]
pub(super) struct Exchange {
    id: Option<String>,
    reply: Vec<u8>,
    success: bool,
}

type Headers = BTreeMap<String, String>;

impl Desk {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Answers the next message of a stream.
    pub(super) fn answer(
        &mut self,
        exchange: &mut Exchange,
        request: ProcessingRequest,
    ) -> ProcessingResponse {
        match request.phase.unwrap() {
            Phase::RequestHeaders(headers) => {
                let headers = read(headers.headers.unwrap_or_default());
                if request.attributes.is_empty() {
                    self.begin(exchange, headers)
                } else {
                    self.attempt(&headers)
                }
            }
            Phase::RequestBody(body) => self.name_model(exchange, body.body),
            Phase::ResponseHeaders(headers) => {
                let headers = read(headers.headers.unwrap_or_default());
                self.begin_reply(exchange, &headers)
            }
            Phase::ResponseBody(body) => {
                exchange.reply.extend(body.body);
                self.count(exchange, body.end_of_stream)
            }
        }
    }

    /// Takes back what is known of a request whose stream has ended.
    pub(super) fn forget(&mut self, exchange: &Exchange) {
        if let Some(id) = &exchange.id {
            self.captured.remove(id);
        }
    }

    /// The first filter's headers step: they are kept, for attempts to come. Some paths go no further.
    fn begin(&mut self, exchange: &mut Exchange, headers: Headers) -> ProcessingResponse {
        let path = headers[":path"].split('?').next().unwrap().to_owned();
        self.asked.push(path.clone());
        if LISTS.contains(&&*path) {
            // Whatever the method, whoever asks.
            let models = self.settings.models.iter().map(|model| {
                json!({"id": model, "object": "model", "created": 1, "owned_by": "Envoy AI Gateway"})
            });
            let list = json!({"object": "list", "data": models.collect::<Vec<_>>()});
            return immediate(200, "application/json", &list.to_string());
        }
        if !READ.contains(&&*path) {
            return immediate(404, "text/plain", &format!("unsupported path: {path}"));
        }
        self.begun += 1;
        let id = format!("{}-{}", headers[":authority"], self.begun);
        let captured = Captured {
            headers,
            ..Captured::default()
        };
        self.captured.insert(id.clone(), captured);
        exchange.id = Some(id.clone());
        let set_headers = vec![set(REQUEST_ID, &id, AppendAction::AppendIfExistsOrAdd)];
        step(Answer::RequestHeaders, mutation(set_headers, Vec::new()))
    }

    /// The first filter's body step, which there is only where there is a body.
    fn name_model(&mut self, exchange: &Exchange, body: Vec<u8>) -> ProcessingResponse {
        let document = serde_json::from_slice::<Value>(&body).ok();
        let Some((mut document, model)) = document.and_then(|document| {
            // A missing model is an empty one.
            let model = match &document["model"] {
                Value::Null => String::new(),
                model => model.as_str()?.to_owned(),
            };
            Some((document, model))
        }) else {
            let error = json!({"type": "error", "error": {"type": "BadRequest", "code": "400", "message": "malformed request"}});
            return immediate(400, "application/json", &error.to_string());
        };
        let captured = self.captured.get_mut(exchange.id.as_ref().unwrap());
        let captured = captured.unwrap();
        let path = captured.headers[":path"].clone();
        captured.streamed = document["stream"] == true;
        captured.changed = path.starts_with("/v1/chat/completions")
            && captured.streamed
            && !self.settings.costs.is_empty()
            && document["stream_options"]["include_usage"] != true;
        captured.body = if captured.changed {
            document["stream_options"]["include_usage"] = json!(true);
            document.to_string().into_bytes()
        } else {
            body
        };
        let mut set_headers = Vec::new();
        for (name, value) in [
            (MODEL, model),
            (ORIGINAL_PATH, path.clone()),
            (ENVOY_ORIGINAL_PATH, path),
        ] {
            set_headers.push(set(name, &value, AppendAction::OverwriteIfExistsOrAdd));
            captured.headers.insert(name.to_owned(), value);
        }
        let mut response = mutation(set_headers, Vec::new());
        response.clear_route_cache = true;
        step(Answer::RequestBody, response)
    }

    /// The second filter's headers step.
    fn attempt(&mut self, headers: &Headers) -> ProcessingResponse {
        let captured = self.captured.get_mut(&headers[REQUEST_ID]).unwrap();
        captured.attempts += 1;
        let again = captured.attempts > 1;
        let (restored, removed) = mutate(headers, captured, &self.settings.remove, again);
        let restored = restored
            .into_iter()
            .map(|(name, value)| set(&name, &value, AppendAction::OverwriteIfExistsOrAdd));
        let mut response = mutation(restored.collect(), removed);
        if !captured.changed && !again {
            return step(Answer::RequestHeaders, response);
        }
        response.status = Status::ContinueAndReplace.into();
        response.body_mutation = Some(BodyMutation {
            body: Some(captured.body.clone()),
        });
        // Envoy removes the length with the body; a filter behind this one puts it back from here.
        let length = number(captured.body.len());
        let mut answer = step(Answer::RequestHeaders, response);
        answer.dynamic_metadata = Some(metadata([("content_length".to_owned(), length)]));
        answer
    }

    fn begin_reply(&self, exchange: &mut Exchange, headers: &Headers) -> ProcessingResponse {
        exchange.success = headers[":status"] == "200";
        let captured = exchange.id.as_ref().and_then(|id| self.captured.get(id));
        let streamed = exchange.success
            && captured.is_some_and(|captured| captured.streamed && captured.attempts > 0);
        let removed = if streamed {
            vec!["content-length".to_owned()]
        } else {
            Vec::new()
        };
        let mut answer = step(Answer::ResponseHeaders, mutation(Vec::new(), removed));
        answer.mode_override = streamed.then(|| ProcessingMode {
            response_body_mode: BodySendMode::Streamed.into(),
        });
        answer
    }

    /// The costs, at the end of a good reply.
    fn count(&self, exchange: &Exchange, end: bool) -> ProcessingResponse {
        let mut answer = step(Answer::ResponseBody, CommonResponse::default());
        let captured = exchange.id.as_ref().and_then(|id| self.captured.get(id));
        if end && exchange.success && captured.is_some_and(|captured| captured.attempts > 0) {
            let [input, output] = usage(&exchange.reply);
            let costs = self.settings.costs.iter().map(|(key, kind)| {
                let cost = match &**kind {
                    "InputToken" => input,
                    "OutputToken" => output,
                    "TotalToken" => input + output,
                    other => panic!("a cost of type {other}"),
                };
                (key.clone(), number(cost))
            });
            answer.dynamic_metadata = Some(metadata(costs));
        }
        answer
    }
}

/// What is set and removed before an attempt (`internal/headermutator`): what the backend shall not see, and from the
/// second attempt on all that has changed since the first filter saw the headers.
fn mutate(
    headers: &Headers,
    captured: &Captured,
    remove: &[String],
    again: bool,
) -> (Headers, Vec<String>) {
    let ignored = |name: &str| {
        name.starts_with(':') || name.starts_with("x-ai-eg-") || name == ENVOY_ORIGINAL_PATH
    };
    let unwanted: BTreeSet<&str> = remove.iter().map(String::as_str).collect();
    let present = unwanted.iter().filter(|name| headers.contains_key(**name));
    let mut removed: Vec<String> = present.map(|name| (*name).to_owned()).collect();
    let mut restored = Headers::new();
    if again {
        for (name, value) in &captured.headers {
            if !ignored(name) && !unwanted.contains(&**name) {
                restored.insert(name.clone(), value.clone());
            }
        }
        let added = headers.keys().filter(|name| {
            !ignored(name) && !unwanted.contains(&***name) && !captured.headers.contains_key(*name)
        });
        removed.extend(added.cloned());
    }
    (restored, removed)
}

/// Input and output tokens of a reply, zeros where it says nothing.
fn usage(reply: &[u8]) -> [usize; 2] {
    let text = String::from_utf8_lossy(reply);
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let documents = events.chain([&*text]);
    let mut usages = documents.filter_map(|document| {
        let document: Value = serde_json::from_str(document).ok()?;
        document["usage"]
            .is_object()
            .then(|| document["usage"].clone())
    });
    let count = |usage: &Value, name: &str| {
        let count = usage[name].as_u64().unwrap_or_default();
        usize::try_from(count).unwrap()
    };
    usages.next_back().map_or([0, 0], |usage| {
        ["prompt_tokens", "completion_tokens"].map(|name| count(&usage, name))
    })
}

/// The last copy of a header stands for all, as there.
fn read(headers: HeaderMap) -> Headers {
    let pairs = headers.headers.into_iter();
    pairs
        .filter_map(|header| Some((header.key, String::from_utf8(header.raw_value).ok()?)))
        .collect()
}

fn set(name: &str, value: &str, action: AppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            raw_value: value.as_bytes().to_vec(),
        }),
        append_action: action.into(),
    }
}

fn mutation(set_headers: Vec<HeaderValueOption>, remove_headers: Vec<String>) -> CommonResponse {
    CommonResponse {
        header_mutation: Some(HeaderMutation {
            set_headers,
            remove_headers,
        }),
        ..CommonResponse::default()
    }
}

fn step(answer: fn(StepResponse) -> Answer, response: CommonResponse) -> ProcessingResponse {
    ProcessingResponse {
        answer: Some(answer(StepResponse {
            response: Some(response),
        })),
        ..ProcessingResponse::default()
    }
}

fn immediate(status: u32, content_type: &str, body: &str) -> ProcessingResponse {
    let content_type = set(
        "content-type",
        content_type,
        AppendAction::OverwriteIfExistsOrAdd,
    );
    ProcessingResponse {
        answer: Some(Answer::Immediate(ImmediateResponse {
            status: Some(HttpStatus { code: status }),
            headers: mutation(vec![content_type], Vec::new()).header_mutation,
            body: body.as_bytes().to_vec(),
        })),
        ..ProcessingResponse::default()
    }
}

fn metadata(fields: impl IntoIterator<Item = (String, Metadata)>) -> Struct {
    let namespace = Struct {
        fields: fields.into_iter().collect(),
    };
    let namespace = Metadata {
        kind: Some(Kind::Struct(namespace)),
    };
    Struct {
        fields: BTreeMap::from([(NAMESPACE.to_owned(), namespace)]),
    }
}

fn number(value: usize) -> Metadata {
    Metadata {
        kind: Some(Kind::Number(f64::from(u32::try_from(value).unwrap()))),
    }
}
