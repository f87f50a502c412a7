//! The tables of `docs/reference.md`, made from the code, and a test that fails if the page differs.
//!
//! The text between `<!-- generated: NAME -->` and `<!-- end -->` comes from the function of that name. The rest of the
//! page is written by hand. The meaning of a variant is its doc comment, which clap provides with the list of all
//! variants.

mod configuration;
mod limits;

use std::path::Path;
use std::{env, fs};

use clap::ValueEnum;

use crate::access::{Mode, ROUTER_HEADERS};
use crate::denial::{Code, Denial};
use crate::forward::{DESCRIBING, FAIRNESS, OBJECTIVE, TENANT};
use crate::members::{NAMING, STEERING};
use crate::meter::{self, Missing};
use crate::metrics::{Kind, Metric};
use crate::operation::{
    AMBIGUOUS, DEPLOYED, DEPLOYMENTS, Fate, INFERENCE, ModelIn, Operation, REFUSED, ROUTES,
};
use crate::owned_headers::{OWNED, SPARED};
use crate::query;
use crate::record::{BY_GATEWAY, Facts, Outcome, Record};
use crate::rewrite::{ask, models};
use crate::usage::Contradiction;

/// A name, and the function that makes the text.
type Table = (&'static str, fn() -> String);

/// What may stand on the page, each once.
const TABLES: [Table; 21] = [
    ("configuration", configuration::tables),
    ("contradictions", contradictions),
    ("denials", denials),
    ("denied reply", denied_reply),
    ("filter state", filter_state),
    ("headers removed", headers_removed),
    ("headers set", headers_set),
    ("headers that steer", headers_that_steer),
    ("limits", limits::limits),
    ("members that name models", members_that_name_models),
    ("members that steer", members_that_steer),
    ("metrics", metrics),
    ("modes", modes),
    ("operations", operations),
    ("outcome", outcomes),
    ("path prefixes", path_prefixes),
    ("paths without a version", paths_without_version),
    ("reason", reasons),
    ("refused paths", refused_paths),
    ("routes", routes),
    ("usage_source", usage_sources),
];

#[test]
fn the_reference_says_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = fs::read_to_string(&path).unwrap();
    let fresh = filled(&page);
    if env::var_os("TOLLGATE_ACCEPT").is_some() {
        fs::write(&path, fresh).unwrap();
    } else {
        let stale = page
            .lines()
            .zip(fresh.lines())
            .find(|(old, new)| old != new);
        assert!(
            page == fresh,
            "docs/reference.md differs from the code; run `make docs`: {stale:#?}"
        );
    }
}

/// The page with new tables.
fn filled(page: &str) -> String {
    let mut parts = page.split("<!-- generated: ");
    let mut fresh = parts.next().unwrap_or_default().to_owned();
    let mut tables = TABLES.to_vec();
    for part in parts {
        let (name, rest) = part.split_once(" -->").unwrap();
        let (_, rest) = rest.split_once("<!-- end -->").unwrap();
        let at = tables.iter().position(|(known, _)| *known == name);
        let (_, table) =
            tables.remove(at.unwrap_or_else(|| panic!("no table `{name}`, or a second one")));
        fresh.push_str(&format!(
            "<!-- generated: {name} -->\n\n{}\n<!-- end -->{rest}",
            table()
        ));
    }
    assert!(tables.is_empty(), "not on the page: {tables:?}");
    fresh
}

/// A table in Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | ")).replace("  ", " ");
    let mut text = line(head.map(str::to_owned));
    text.push_str(&format!("{}|\n", "|---".repeat(N)));
    for row in rows {
        text.push_str(&line(row.map(|cell| cell.replace('|', "\\|"))));
    }
    text
}

/// The doc comment of a variant.
fn doc(variant: &impl ValueEnum) -> String {
    let help = variant
        .to_possible_value()
        .and_then(|value| value.get_help().cloned());
    // clap removes the last full stop.
    format!("{}.", help.unwrap())
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn codes<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// All variants by name, with their meanings.
fn variants<T: ValueEnum>(head: [&str; 2], name: impl Fn(&T) -> &'static str) -> String {
    let row = |variant: &T| [code(name(variant)), doc(variant)];
    table(head, T::value_variants().iter().map(row))
}

fn modes() -> String {
    variants(
        ["`mode`", "refusals for identity or model"],
        |mode: &Mode| mode.as_str(),
    )
}

fn outcomes() -> String {
    variants(["`outcome`", "meaning"], |outcome: &Outcome| {
        outcome.as_str()
    })
}

fn contradictions() -> String {
    variants(["`reason`", "meaning"], |contradiction: &Contradiction| {
        contradiction.as_str()
    })
}

fn reasons() -> String {
    variants(["`reason`", "meaning"], |missing: &Missing| {
        missing.as_str()
    })
}

fn usage_sources() -> String {
    let mut rows = variants(["`usage_source`", "meaning"], |source: &meter::Worth| {
        source.as_str()
    });
    rows.push_str(&format!(
        "| `{BY_GATEWAY}` | The numbers of [another filter](#the-counts-of-another-filter); the server's final numbers are not known. |\n"
    ));
    rows
}

fn denials() -> String {
    let row = |denial: &Code| {
        [
            code(denial.as_str()),
            denial.status().to_string(),
            doc(denial),
            denial.remedy().to_owned(),
        ]
    };
    table(
        ["code", "status", "cause", "remedy"],
        Code::value_variants().iter().map(row),
    )
}

fn denied_reply() -> String {
    let denial = Denial::from(Code::InvalidCredential);
    let headers = denial.headers(Some("the request's id"));
    let row = |(name, value): (&str, &str)| {
        let value = match name {
            "x-tollgate-code" => "the code".to_owned(),
            "www-authenticate" => format!(
                "{}, with 401; without `error` if no credential was sent",
                code(value)
            ),
            "x-request-id" | "request-id" => value.to_owned(),
            _ => code(value),
        };
        [code(name), value]
    };
    table(["header", "value"], headers.into_iter().map(row))
}

fn operations() -> String {
    let row = |operation: &Operation| {
        let asked = match operation {
            Operation::ListModels => "`GET` or `HEAD /v1/models`".to_owned(),
            Operation::ShowModel => "`GET` or `HEAD /v1/models/{model}`".to_owned(),
            Operation::Extra => "from `extraPaths`".to_owned(),
            Operation::Public => "from `publicPaths`".to_owned(),
            Operation::Preflight => {
                "CORS preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`, no body), on any path".to_owned()
            }
            listed => {
                let paths = INFERENCE.iter().filter(|(_, known)| known == listed);
                codes(paths.map(|(path, _)| *path)).replacen('`', "`POST ", 1)
            }
        };
        let model = match (operation.model_in(), operation) {
            (Some(ModelIn::Json), _) => "JSON body",
            (Some(ModelIn::Form), _) => "form",
            (None, Operation::ListModels) => {
                "none; requires an identity; the list is [filtered](#the-list-of-models)"
            }
            (None, Operation::ShowModel) => "the path; the model's rule applies",
            (None, Operation::Extra) => "not checked; requires one of the groups",
            (None, _) => "not checked",
        };
        let identity = if operation.needs_identity() {
            ""
        } else {
            "; requires no identity"
        };
        let counted = match operation.metered() {
            meter::Work::Generate => "input, output",
            meter::Work::Embed => "input",
            meter::Work::Media => "if reported",
            meter::Work::Other => "no",
        };
        [
            asked,
            code(operation.as_str()),
            format!("{model}{identity}"),
            counted.to_owned(),
        ]
    };
    table(
        [
            "method and path",
            "`operation` label",
            "place of the model",
            "counted",
        ],
        Operation::value_variants().iter().map(row),
    )
}

fn paths_without_version() -> String {
    let rows = AMBIGUOUS.iter().map(|(path, meaning)| {
        let path = match *path {
            "/models/" => "/models/{model}",
            path => path,
        };
        [code(path), (*meaning).to_owned()]
    });
    let rows: Vec<_> = rows.collect();
    let azure = DEPLOYED.map(|path| format!("{DEPLOYMENTS}{{model}}{path}"));
    format!(
        "{}\nThe paths of Azure OpenAI: {}.\n",
        table(["path", "is, to other servers"], rows),
        codes(azure.iter().map(String::as_str))
    )
}

fn refused_paths() -> String {
    let rows = REFUSED.iter().map(|family| {
        let paths = family
            .paths
            .iter()
            .map(|path| match path.strip_suffix('/') {
                Some(path) => format!("{path}/{{id}}"),
                None => (*path).to_owned(),
            });
        let paths: Vec<String> = paths.collect();
        [
            codes(paths.iter().map(String::as_str)),
            family.reason.to_owned(),
        ]
    });
    table(["paths", "what the client is told"], rows)
}

fn routes() -> String {
    let rows = ROUTES.iter().map(|(server, fate, routes)| {
        let fate = match fate {
            Fate::Served(operation) => code(operation.as_str()),
            Fate::Refused(why) => why.reason().to_owned(),
        };
        [(*server).to_owned(), codes(routes.split(", ")), fate]
    });
    table(["server", "method and path", "what becomes of it"], rows)
}

fn path_prefixes() -> String {
    use crate::operation::PREFIXES;
    format!(
        "Under these paths, and under the same with {} in front, or a prefix of `pathPrefixes`, or both.\n",
        codes(PREFIXES)
    )
}

fn members_that_name_models() -> String {
    let rows = NAMING.iter().map(|naming| {
        [
            code(naming.name),
            naming.servers.to_owned(),
            naming.effect.to_owned(),
            naming.source.to_owned(),
        ]
    });
    table(["member", "servers", "what it names", "source"], rows)
}

fn members_that_steer() -> String {
    let rows = STEERING.iter().map(|steering| {
        [
            code(steering.name),
            steering.servers.to_owned(),
            steering.effect.to_owned(),
            steering.harmless.values().to_owned(),
            steering.source.to_owned(),
        ]
    });
    table(
        [
            "member",
            "servers",
            "what it controls",
            "passes with",
            "source",
        ],
        rows,
    )
}

fn headers_removed() -> String {
    let rows = [
        (
            "all headers of `credentials.sources`, unless `credentials.forward` says otherwise".to_owned(),
            "Servers must not see credentials.",
        ),
        (
            "the proof of `trustedHeaders`; its other headers, unless the proof is valid".to_owned(),
            "A client could set them.",
        ),
        (
            format!("{} in the query, on every path and in every spelling", codes(query::CREDENTIALS)),
            "Credentials in the query are never accepted here.",
        ),
        (
            format!(
                "the [headers that steer](#headers-that-steer), unless `headers.allow` has them, and those of `headers.strip`; not {}, where they [agree with the body](#headers-that-name-the-model)",
                codes(ROUTER_HEADERS)
            ),
            "They would be believed.",
        ),
        (
            "`x-request-id`, if its value contains `_addr_`".to_owned(),
            "vLLM's connectors read the cache host from it.",
        ),
        (
            "other spellings of `modelHeader.name`, such as `x_ai_eg_model`".to_owned(),
            "The server could read a model that was not judged.",
        ),
        (
            format!("other spellings of {}, such as `content_type`", codes(DESCRIBING)),
            "The server could read a different body from the one that was judged.",
        ),
        (
            "other spellings of the name of `admittedHeader`".to_owned(),
            "Only the filter may mark a request as admitted.",
        ),
        (
            "`accept-encoding`, if the body must name a model, unless `metering.stripAcceptEncoding` is `false`".to_owned(),
            "The tokens of an encoded reply cannot be counted.",
        ),
        (
            format!("{}, if the body may be changed to request usage", codes(ask::DIGESTS)),
            "They describe the original bytes.",
        ),
        (
            format!("{}, on requests for the list of models", codes(models::CONDITIONS)),
            "They would refer to the unfiltered list.",
        ),
        (
            format!("{}, on replies with that list", codes(models::OUTDATED)),
            "They describe the unfiltered list.",
        ),
    ];
    table(
        ["what", "why"],
        rows.map(|(what, why)| [what, why.to_owned()]),
    )
}

fn headers_that_steer() -> String {
    let rows = OWNED
        .iter()
        .map(|owned| [owned.name, owned.system, owned.effect, owned.source].map(str::to_owned));
    let rows = rows.map(|[name, system, effect, source]| [code(&name), system, effect, source]);
    let list = table(["header", "system", "what it controls", "source"], rows);
    format!(
        "{list}\nThese pass, because Envoy or a filter of Istio sets them before the filter runs: {}.\n",
        codes(SPARED)
    )
}

fn headers_set() -> String {
    let list: Vec<String> = models::REPLY_HEADERS
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let rows = [
        (codes(FAIRNESS), "see `fairness.from`; the default is the tenant".to_owned()),
        (codes(OBJECTIVE), "the key's `objective`, or else the tenant's; absent if neither has one".to_owned()),
        (code(TENANT), "the tenant".to_owned()),
        (
            "`authorization`".to_owned(),
            "the server's own key with `credentials.forward: {\"env\": …}`, with or without an identity".to_owned(),
        ),
        (
            "the header of `admittedHeader`".to_owned(),
            "its value, on every admitted request, including public paths, preflights and anonymous callers".to_owned(),
        ),
        (
            "`content-type`".to_owned(),
            "`application/json` for every JSON operation, whatever the client sent; for a form, the boundary without quotes".to_owned(),
        ),
        (
            "`content-length`".to_owned(),
            format!(
                "increased by {} if the request has one and the filter may add to the body; 0 if no body is allowed and the request did not state that there is none",
                ask::ADDED_LENGTH
            ),
        ),
        ("the reply with the list of models".to_owned(), codes(list.iter().map(String::as_str))),
    ];
    table(
        ["header", "value"],
        rows.map(|(header, value)| [header, value]),
    )
}

fn metrics() -> String {
    let row = |metric: &Metric| {
        let kind = match metric.kind() {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        [
            code(metric.name()),
            kind.to_owned(),
            codes(metric.labels().iter().copied()),
            doc(metric),
        ]
    };
    table(
        ["name", "type", "labels", "meaning"],
        Metric::value_variants().iter().map(row),
    )
}

fn filter_state() -> String {
    let nothing = Record::new(Facts::default(), None);
    let rows = nothing.entries().map(|(name, _)| {
        let value = match name {
            "tollgate.tenant" => "the tenant",
            "tollgate.key" => "the public id of the API key",
            "tollgate.user" => "the user of a token (`jwt[].userClaim`), or the principal of the gateway in front",
            "tollgate.model" => "the model, as far as the body named it, [escaped](#names-of-models)",
            "tollgate.input_tokens" => "the input as the server reported it, or else another filter",
            "tollgate.output_tokens" => "the output, likewise",
            "tollgate.charge_tokens" => {
                "always present: input and output as reported, or else the larger of the lower bound and the estimate; 0 if nothing is known, and 1,000,000,000 at most, which is the most that Envoy charges"
            }
            "tollgate.usage_source" => "the quality of the numbers, see below",
            "tollgate.outcome" => "as in the metrics",
            "tollgate.denial" => "the code of the denial",
            "tollgate.would_deny" => "the code of the first refusal that `mode: audit` let pass",
            other => panic!("add a description of `{other}` here"),
        };
        [format!("`wasm.{name}`"), value.to_owned()]
    });
    table(["entry", "value"], rows)
}
