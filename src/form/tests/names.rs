//! Names of fields that some readers treat as `model`.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

fn verdict(name: &str) -> Result<Option<String>, Code> {
    let field =
        format!("--b|Content-Disposition: form-data; name=\"{name}\"||qwen-3-32b|{MODEL}--b--|");
    let body = form(&field);
    let whole = read(&body, body.len());
    for step in [1, 7, 33] {
        assert_eq!(read(&body, step), whole, "{name}, frames of {step}");
    }
    whole
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_a_field_beside_the_model_that_a_reader_takes_for_it() {
    for (name, reader) in [
        ("model", "everybody: it is there twice"),
        ("Model", "those that ignore case"),
        ("model[]", "PHP, qs, Rack: a list"),
        ("model[0]", "PHP, qs, Rack: a list"),
        ("model[][]", "PHP, qs: a list of lists"),
        ("model[name]", "PHP, qs, Rack: an object"),
        ("MODEL[name]", "those that ignore case, an object"),
        ("model]", "Rack: the bracket is stripped"),
        ("model]]", "Rack: the brackets are stripped"),
        ("[model]", "Rack: the brackets are stripped"),
        ("[[model]]", "Rack: the brackets are stripped"),
        ("]model", "Rack: the bracket is stripped"),
        ("[model", "Rack: the bracket is stripped"),
        ("[]model", "Rack: the brackets are stripped"),
        ("model[", "PHP, Rack: the name ends at the bracket"),
        ("model[x", "Rack: the name ends at the bracket"),
        ("model]x", "Rack: the name ends at the bracket"),
        ("model.x", "Spring, ASP.NET, qs: an object"),
        ("model.", "Spring: an object"),
        (".model", "qs: the dot is stripped"),
        ("model.x[0]", "Spring, ASP.NET: an object"),
        ("request.model", "ASP.NET: a prefix"),
        ("[0].model", "ASP.NET: an element"),
        ("request[model]", "Rack, PHP: a member"),
    ] {
        assert_eq!(verdict(name), Err(Code::AmbiguousModel), "{name}: {reader}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn takes_other_names_as_they_are() {
    for name in [
        "timestamp_granularities[]",
        "include[]",
        "image[]",
        "chunking_strategy[type]",
        "chunking_strategy.type",
        "model_kwargs",
        "response-model",
        "mo[del]",
        "mo.del",
        "modelled",
        "submodel",
        "modelx[]",
    ] {
        assert_eq!(verdict(name), Ok(Some("whisper-1".to_owned())), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_names_that_are_decoded_or_trimmed_by_some_readers() {
    for name in [
        " model",
        "model ",
        "model\t",
        "model%5b%5d",
        "%6dodel",
        "mo+del",
        "model'",
        "m\u{f6}del",
        "model\u{200b}",
        "&#109;odel",
        "model,x",
        "model:x",
        "model=x",
        "model/x",
        "model(0)",
        "!model",
    ] {
        assert_eq!(verdict(name), Err(Code::MalformedBody), "{name}");
    }
}
