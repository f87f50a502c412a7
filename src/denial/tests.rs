use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const ALL: [(Code, u32, &str); 26] = [
    (Code::MissingCredential, 401, "missing_credential"),
    (Code::InvalidCredential, 401, "invalid_credential"),
    (Code::ExpiredCredential, 401, "expired_credential"),
    (Code::AmbiguousCredential, 400, "ambiguous_credential"),
    (Code::UnlistedIssuer, 401, "unlisted_issuer"),
    (Code::MissingExpiration, 401, "missing_expiration"),
    (Code::TooManyGroups, 401, "too_many_groups"),
    (Code::UnknownTenant, 403, "unknown_tenant"),
    (Code::AmbiguousTenant, 403, "ambiguous_tenant"),
    (Code::MissingPrincipal, 401, "missing_principal"),
    (Code::MalformedIdentity, 401, "malformed_identity"),
    (Code::ModelNotAllowed, 403, "model_not_allowed"),
    (Code::ModelNotFound, 404, "model_not_found"),
    (Code::OperationNotAllowed, 403, "operation_not_allowed"),
    (Code::WebSocketNotAllowed, 426, "websocket_not_allowed"),
    (Code::MissingModel, 400, "missing_model"),
    (Code::AmbiguousModel, 400, "ambiguous_model"),
    (Code::ModelInQuery, 400, "model_in_query"),
    (Code::MalformedBody, 400, "malformed_body"),
    (Code::MalformedPath, 400, "malformed_path"),
    (Code::BodyNotAllowed, 400, "body_not_allowed"),
    (Code::AmbiguousStream, 400, "ambiguous_stream"),
    (Code::BackgroundNotAllowed, 403, "background_not_allowed"),
    (Code::MemberNotAllowed, 403, "member_not_allowed"),
    (Code::UnsupportedEncoding, 415, "unsupported_encoding"),
    (Code::Internal, 500, "internal"),
];

#[wasm_bindgen_test(unsupported = test)]
fn codes_and_statuses_are_stable() {
    for (code, status, name) in ALL {
        assert_eq!((code.status(), code.as_str()), (status, name));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_401_carries_a_challenge_and_nothing_else_does() {
    for (code, status, name) in ALL {
        let denial = Denial::from(code);
        let challenge = denial
            .headers(None)
            .into_iter()
            .find(|(header, _)| *header == "www-authenticate");
        let expected = match (status, code) {
            (_, Code::MissingCredential | Code::MissingPrincipal) => {
                Some(r#"Bearer realm="tollgate""#)
            }
            (401, _) => Some(r#"Bearer realm="tollgate", error="invalid_token""#),
            _ => None,
        };
        assert_eq!(challenge.map(|(_, value)| value), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn bodies_are_shaped_for_the_clients_sdk() {
    let denial = Denial::model_not_allowed(&ModelName::new("qwen-3-32b").unwrap(), false);
    assert_eq!(
        denial.body(Dialect::OpenAi, None),
        r#"{"error":{"code":"model_not_allowed","message":"You do not have access to the model `qwen-3-32b`. `GET /v1/models` lists those that you may use.","param":"model","type":"permission_error"},"type":"error"}"#
    );
    assert_eq!(
        denial.body(Dialect::Anthropic, Some("r-1")),
        r#"{"error":{"message":"You do not have access to the model `qwen-3-32b`. `GET /v1/models` lists those that you may use.","type":"permission_error"},"request_id":"r-1","type":"error"}"#
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_hidden_model_is_not_found_by_the_client_and_not_allowed_for_the_operator() {
    let denial = Denial::model_not_allowed(&ModelName::new("qwen-3-32b").unwrap(), true);
    assert_eq!(
        (denial.status(), denial.code()),
        (404, Code::ModelNotAllowed)
    );
    assert_eq!(
        denial.body(Dialect::OpenAi, None),
        r#"{"error":{"code":"model_not_found","message":"The model `qwen-3-32b` does not exist. `GET /v1/models` lists those that you may use.","param":"model","type":"invalid_request_error"},"type":"error"}"#
    );
    assert_eq!(
        denial.body(Dialect::Anthropic, None),
        r#"{"error":{"message":"The model `qwen-3-32b` does not exist. `GET /v1/models` lists those that you may use.","type":"not_found_error"},"type":"error"}"#
    );
    assert!(
        denial
            .headers(None)
            .contains(&("x-tollgate-code", "model_not_found"))
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_request_id_is_sent_under_the_name_of_each_sdk() {
    let denial = Denial::from(Code::InvalidCredential);
    let headers = denial.headers(Some("r-1"));
    assert!(headers.contains(&("x-request-id", "r-1")) && headers.contains(&("request-id", "r-1")));
}
