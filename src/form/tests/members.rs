//! Fields that steer servers.

use super::*;

#[wasm_bindgen_test(unsupported = test)]
fn a_field_that_steers_servers_is_refused_and_named() {
    for (field, expected) in [
        ("priority", Some("priority")),
        ("Priority", Some("priority")),
        ("vllm_xargs", Some("vllm_xargs")),
        ("extra_body[a]", Some("extra_body")),
        ("x[api_base]", Some("api_base")),
        ("upscaling_model_path", Some("upscaling_model_path")),
        ("aws_region_name", Some("aws_*")),
        ("fallbacks", Some("fallbacks")),
        ("fallbacks[]", Some("fallbacks")),
        ("draft_model", Some("draft_model")),
        ("prompt", None),
        ("language", None),
        ("temperature", None),
        ("response_format", None),
        ("tools", None),
        ("user", None),
    ] {
        let text = format!("--b|Content-Disposition: form-data; name=\"{field}\"||1|{MODEL}--b--|");
        let body = form(&text);
        for step in 1..=body.len() {
            let mut reader = Form::new(&Boundary("b".into()), &crate::fixtures::members());
            let verdict = body.chunks(step).try_for_each(|frame| reader.push(frame));
            assert_eq!(reader.refused(), expected, "{field}, frames of {step}");
            let refused = expected.map_or(Ok(()), |_| Err(Code::MemberNotAllowed));
            assert_eq!(verdict, refused, "{field}, frames of {step}");
        }
    }
}
