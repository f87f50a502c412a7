//! Whether what was counted is right, as far as anybody knows.

use super::counted::Counted;
use super::index::{Recording, Tokens};
use super::replay::Arrival;

/// What a row of the table comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Reported, and that is the truth.
    Exact,
    /// Reported, and nothing known speaks against it; whether it is the truth is not known.
    Unverified,
    /// Not above the truth, where that is known.
    LowerBound,
    /// A guess, which is called one.
    Estimated,
    /// Tokens were to be expected, and nothing is known.
    Unknown,
    /// No tokens were to be expected.
    NotApplicable,
    /// The path is not one that is metered.
    NotMetered,
    /// What was counted is not so, or contradicts itself.
    Wrong(String),
}

impl Verdict {
    /// As the table says it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Exact => "exact".to_owned(),
            Self::Unverified => "unverified".to_owned(),
            Self::LowerBound => "lower bound".to_owned(),
            Self::Estimated => "estimated".to_owned(),
            Self::Unknown => "none".to_owned(),
            Self::NotApplicable => "n/a".to_owned(),
            Self::NotMetered => "not metered".to_owned(),
            Self::Wrong(why) => format!("WRONG: {why}"),
        }
    }
}

/// Judges one replay.
pub(super) fn judge(recording: &Recording, counted: &Counted) -> Verdict {
    if let Some(code) = &counted.denial {
        return Verdict::Wrong(format!("the replay was refused: {code}"));
    }
    if let Some(contradiction) = &counted.contradiction {
        return Verdict::Wrong(contradiction.clone());
    }
    match counted.source.as_str() {
        "reported" => reported(recording, counted),
        "partial" => partial(recording, counted),
        "estimated" => Verdict::Estimated,
        "none" => Verdict::Unknown,
        "not_applicable" if counted.judged || recording.asks_for_models() => Verdict::NotApplicable,
        "not_applicable" => Verdict::NotMetered,
        // The access log has no entry, or one that the filter did not write to.
        other => Verdict::Wrong(format!("no usage source: {other:?}")),
    }
}

/// Final numbers are right only if they are the truth. Where that is not known, they must be what the reply tells.
fn reported(recording: &Recording, counted: &Counted) -> Verdict {
    let unknown = Tokens::default();
    let truth = recording.truth.as_ref().unwrap_or(&unknown);
    let wire = recording.wire.as_ref().unwrap_or(&unknown);
    // A part that the reply does not tell cannot be counted.
    let cached = truth.cached.filter(|_| truth.cached == wire.cached);
    let reasoning = truth.reasoning.filter(|_| recording.tells_reasoning());
    let rows = [
        ("input", counted.input, truth.prompt),
        ("output", counted.output, truth.completion),
        ("cached", Some(counted.cached), cached),
        ("reasoning", Some(counted.reasoning), reasoning),
    ];
    for (name, counted, truth) in rows {
        if truth.is_some() && counted != truth {
            return Verdict::Wrong(format!("{name} is {}", number(truth)));
        }
    }
    match (truth.prompt, truth.completion) {
        (Some(_), Some(_)) => return Verdict::Exact,
        (None, None) if recording.tells_nothing => {
            return Verdict::Wrong("the reply tells nothing".to_owned());
        }
        _ => {}
    }
    let rows = [
        ("input", counted.input, wire.prompt),
        ("output", counted.output, wire.completion),
    ];
    for (name, counted, told) in rows {
        if told.is_some() && counted != told {
            return Verdict::Wrong(format!("the reply tells {name} {}", number(told)));
        }
    }
    Verdict::Unverified
}

fn partial(recording: &Recording, counted: &Counted) -> Verdict {
    let unknown = Tokens::default();
    let truth = recording.truth.as_ref().unwrap_or(&unknown);
    let rows = [
        ("input", counted.input, truth.prompt),
        ("output", counted.output, truth.completion),
        ("cached", Some(counted.cached), truth.cached),
        ("reasoning", Some(counted.reasoning), truth.reasoning),
    ];
    for (name, counted, truth) in rows {
        if let (Some(counted), Some(truth)) = (counted, truth)
            && counted > truth
        {
            return Verdict::Wrong(format!("{name} is only {truth}"));
        }
    }
    Verdict::LowerBound
}

/// A number, or `?` where it is not known.
pub(super) fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

/// Whether a reply reached the client as it does without the filter; from good to bad.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Passage {
    Same,
    /// A list of models, which is cut down by design, or a stream without the usage that the client did not ask for.
    Edited,
    Differs(String),
}

/// Headers that are left out of the comparison, because two runs of Envoy alone differ in them: the time of day, and how
/// long the upstream took.
pub(super) const NOT_COMPARED: [&str; 2] = ["date", "x-envoy-upstream-service-time"];

/// Compares what arrived through the filter with what arrived without it, and that with what was recorded.
pub(super) fn compare(recording: &Recording, filtered: &Arrival, plain: &Arrival) -> Passage {
    let differs = |what: &str| Passage::Differs(what.to_owned());
    let (Some(filtered), Some(plain)) = (&filtered.answer, &plain.answer) else {
        return differs("the connection ended without an answer");
    };
    if plain.status != recording.status || plain.body != recording.body {
        return differs("even without the filter not as recorded");
    }
    if filtered.status != plain.status {
        return differs(&format!("status {}", filtered.status));
    }
    if recording.is_list_of_models() {
        return Passage::Edited;
    }
    let headers = |headers: &[(String, String)]| {
        let mut headers = headers.to_vec();
        headers.retain(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
        headers
    };
    if headers(&filtered.headers) != headers(&plain.headers) {
        return differs("headers");
    }
    let expected = recording.seen.as_ref().unwrap_or(&plain.body);
    if filtered.body != *expected {
        return differs("body");
    }
    if filtered.complete != plain.complete {
        return differs("its end");
    }
    if recording.seen.is_some() {
        return Passage::Edited;
    }
    Passage::Same
}
