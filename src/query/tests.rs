use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::fixtures::request;

#[wasm_bindgen_test(unsupported = test)]
fn credentials_are_taken_out_in_every_spelling_and_the_rest_stays() {
    for (query, expected) in [
        ("api_key=sk", Some("")),
        ("a=1&access_token=t&b=2", Some("?a=1&b=2")),
        ("api%5Fkey=sk&a", Some("?a")),
        ("API-Key=sk", Some("")),
        ("apikey=sk", Some("")),
        ("api.key=sk", Some("")),
        ("api+key=sk", Some("")),
        ("+api_key=sk", Some("")),
        ("api_key%00=sk", Some("")),
        ("%61%70%69_key=sk", Some("")),
        ("%2561pi_key=sk", Some("")),
        ("api_key[]=sk", Some("")),
        ("[api_key]=sk", Some("")),
        ("key=sk", Some("")),
        ("KEY=sk&a=1", Some("?a=1")),
        ("token=t", Some("")),
        ("auth=t", Some("")),
        ("Authorization=Bearer%20t", Some("")),
        ("x-api-key=sk", Some("")),
        ("x-goog-api-key=sk", Some("")),
        ("subscription-key=sk", Some("")),
        ("Ocp-Apim-Subscription-Key=sk", Some("")),
        ("client_secret=s", Some("")),
        ("key", Some("")),
        ("key=", Some("")),
        ("a=1;key=sk;b=2&c=3", Some("?a=1;b=2&c=3")),
        ("a=1&key=sk;b=2&c=3", Some("?a=1&c=3")),
        ("key=sk;b=2", Some("")),
        ("key=a=b&c", Some("?c")),
        ("key=sk&key=sk2&a=%26key", Some("?a=%26key")),
        ("a=api_key", None),
        ("a=1&b=key=2", None),
        ("keys=1&keyword=2&tokens=3&max_token=4&author=5", None),
        ("api-version=2024-10-21&beta=true&limit=20&after_id=x", None),
        ("a[key]=1", None),
        ("", None),
        ("&;&", None),
        ("=x", None),
        ("%", None),
        ("k%C3%A9y=1", None),
    ] {
        let path = format!("/v1/chat/completions?{query}");
        let expected = expected.map(|query| format!("/v1/chat/completions{query}"));
        assert_eq!(without_secrets(&path), expected, "{query}");
    }
    assert_eq!(without_secrets("/v1/chat/completions"), None);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_model_is_seen_in_every_spelling_and_with_every_value() {
    for (query, expected) in [
        ("model=qwen-3-32b", true),
        ("model=", true),
        ("model", true),
        ("a=1&model=x", true),
        ("a=1;model=x", true),
        ("a=1;model", true),
        ("Model=x", true),
        ("MODEL=x", true),
        ("mode%6c=x", true),
        ("mode%6C=x", true),
        ("%6d%6f%64%65%6c=x", true),
        ("mode%256c=x", true),
        ("model[]=x", true),
        ("model[0]=x", true),
        ("model%5B%5D=x", true),
        ("model]=x", true),
        ("[model]=x", true),
        ("model.x=x", true),
        ("model.0=x", true),
        ("+model=x", true),
        ("%20model=x", true),
        ("model+=x", true),
        ("model%00=x", true),
        ("model%00x=x", true),
        ("model%0A=x", true),
        ("models=x", true),
        ("model_id=x", true),
        ("model-id=x", true),
        ("modelId=x", true),
        ("model_name=x", true),
        ("model_uid=x", true),
        ("deployment=x", true),
        ("deployment_id=x", true),
        ("engine=x", true),
        ("", false),
        ("a=model", false),
        ("a=1&b=model=x", false),
        ("a[model]=x", false),
        ("api-version=2024-10-21", false),
        ("beta=true&limit=20&after_id=model", false),
        ("modelling=x&remodel=x&supermodel=x", false),
        ("mode=l&mode%=x", false),
        ("stream=true;engines", false),
    ] {
        let path = format!("/v1/chat/completions?{query}");
        let headers = request("POST", &path, &[]);
        assert_eq!(names_model(&headers), expected, "{query}");
    }
    assert!(!names_model(&request("GET", "/v1/models/model", &[])));
    assert!(!names_model(&HeaderMap::default()));
}
