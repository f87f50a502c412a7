"""What is sent. Without the filter, each attack has some judge serve `qwen-3-32b`, which is not for `globex`."""

import base64
from dataclasses import dataclass

from wire import Request

LLAMA, QWEN = "llama-3.1-8b", "qwen-3-32b"
KEY = ("authorization", "Bearer sk-tollgate-globex-demo")

# What becomes of a request: its judge reads the model that was judged, or the filter refuses it with a code.
PASSES = None
AMBIGUOUS, MALFORMED, NOT_ALLOWED = "ambiguous_model", "malformed_body", "model_not_allowed"
QUERY, MEMBER = "model_in_query", "member_not_allowed"


@dataclass(frozen=True)
class Row:
    name: str
    request: Request
    code: str = PASSES


def json_row(name, *media_types, body, code=PASSES, query=""):
    """A request where JSON belongs, with these content types."""
    headers = (KEY, *(("content-type", media_type) for media_type in media_types))
    return Row(name, Request("POST", f"/v1/completions{query}", headers, body.encode()), code)


def form(name, *parts, media_types=("multipart/form-data; boundary=b",), code, query=""):
    """A request where a form belongs."""
    headers = (KEY, *(("content-type", media_type) for media_type in media_types))
    return Row(name, Request("POST", f"/v1/audio/transcriptions{query}", headers, "".join(parts).encode()), code)


URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"
PLAIN = f'{{"model":"{LLAMA}","prompt":"hi"}}'
# To a reader of forms it has a field `model`.
FORM_WITHIN = f'{{"model":"{LLAMA}","prompt":"hi","x":"&model={QWEN}&prompt=hi&"}}'
# The same with a name that is escaped.
ESCAPED_FORM_WITHIN = f'{{"model":"{LLAMA}","prompt":"hi","x":"&%6dode%6c={QWEN}&prompt=hi&"}}'
# In UTF-7, `"` and what stands around it can be written so: to a reader of it there is a second member.
UTF7_WITHIN = f'{{"model":"{LLAMA}","prompt":"hi","x":"+ACIALAAi-model+ACIAOgAi-{QWEN}"}}'
UTF7_FORM_WITHIN = f'{{"model":"{LLAMA}","prompt":"hi","x":"+ACY-model+AD0-{QWEN}+ACY-prompt+AD0-hi+ACY-"}}'


def part(value, *headers, end="\r\n"):
    lines = "".join(f"{header}{end}" for header in headers)
    return f"--b{end}{lines}{end}{value}{end}"


def disposition(parameters):
    return f"Content-Disposition: form-data; {parameters}"


def field(value, parameters='name="model"', *headers):
    return part(value, disposition(parameters), *headers)


OWN = field(LLAMA)
END = "--b--\r\n"


# A JSON body, and what the client says that it is.
BODIES = [
    json_row("a form", URLENCODED, body=FORM_WITHIN),
    json_row("a form with an escaped name", URLENCODED, body=ESCAPED_FORM_WITHIN),
    json_row("a form, in other letters", "Application/X-WWW-Form-Urlencoded", body=FORM_WITHIN),
    *(
        json_row(f"a form, charset {charset}", f"{URLENCODED}; charset={charset}", body=FORM_WITHIN)
        for charset in ("utf-8", "utf-16", "utf-7", "ibm037")
    ),
    json_row("a form in UTF-7", f"{URLENCODED}; charset=utf-7", body=UTF7_FORM_WITHIN),
    json_row("JSON in UTF-7", f"{JSON}; charset=utf-7", body=UTF7_WITHIN),
    json_row("JSON, then a form", JSON, URLENCODED, body=FORM_WITHIN),
    json_row("a form, then JSON", URLENCODED, JSON, body=FORM_WITHIN),
    json_row("a form and JSON in one", f"{URLENCODED}, {JSON}", body=FORM_WITHIN),
    json_row("a form and a parameter", f"{URLENCODED}; x={JSON}", body=FORM_WITHIN),
    json_row("a form behind white space", f" \t{URLENCODED}", body=FORM_WITHIN),
    json_row("no JSON but a form", URLENCODED, body=f"model={QWEN}&prompt=hi", code=MALFORMED),
    json_row(
        "no JSON but parts",
        "multipart/form-data; boundary=b",
        body=field(QWEN) + END,
        code=MALFORMED,
    ),
    json_row("JSON that says so twice", JSON, body=f'{PLAIN[:-1]},"model":"{QWEN}"}}', code=AMBIGUOUS),
    json_row("JSON that says so in capitals", JSON, body=f'{PLAIN[:-1]},"MODEL":"{QWEN}"}}', code=AMBIGUOUS),
]

# A form with parts.
FORMS = [
    form("another model", field(QWEN), END, code=NOT_ALLOWED),
    form("the own first", OWN, field(QWEN), END, code=AMBIGUOUS),
    form("the own last", field(QWEN), OWN, END, code=AMBIGUOUS),
    form("a file", OWN, field(QWEN, 'name="model"; filename="m"'), END, code=AMBIGUOUS),
    form("a file without a name", OWN, field(QWEN, 'name="model"; filename=""'), END, code=AMBIGUOUS),
    form("model[]", OWN, field(QWEN, 'name="model[]"'), END, code=AMBIGUOUS),
    form("model[0]", OWN, field(QWEN, 'name="model[0]"'), END, code=AMBIGUOUS),
    form("model[x]", OWN, field(QWEN, 'name="model[x]"'), END, code=AMBIGUOUS),
    form("white space around", OWN, field(QWEN, 'name=" model "'), END, code=MALFORMED),
    form("no quotes", OWN, field(QWEN, "name=model"), END, code=MALFORMED),
    form("NAME", OWN, field(QWEN, 'NAME="model"'), END, code=MALFORMED),
    form("an escaped letter", OWN, field(QWEN, r'name="mo\del"'), END, code=MALFORMED),
    form("an extended name", OWN, field(QWEN, "name*=UTF-8''model"), END, code=MALFORMED),
    form("an extended name behind", OWN, field(QWEN, "name=\"x\"; name*=UTF-8''model"), END, code=MALFORMED),
    form("a name in pieces", OWN, field(QWEN, 'name*0="mo"; name*1="del"'), END, code=MALFORMED),
    form("two names, the last", OWN, field(QWEN, 'name="x"; name="model"'), END, code=MALFORMED),
    form("two names, the first", OWN, field(QWEN, 'name="model"; name="x"'), END, code=MALFORMED),
    form("an unclosed name", OWN, field(QWEN, 'name="model'), END, code=MALFORMED),
    form("no blank", OWN, part(QWEN, 'Content-Disposition:form-data;name="model"'), END, code=AMBIGUOUS),
    form("tabs", OWN, part(QWEN, 'Content-Disposition:\tform-data;\tname="model"'), END, code=MALFORMED),
    form(
        "a blank before the colon",
        OWN,
        part(QWEN, 'Content-Disposition : form-data; name="model"'),
        END,
        code=MALFORMED,
    ),
    form("a folded header", OWN, part(QWEN, 'Content-Disposition: form-data;\r\n name="model"'), END, code=MALFORMED),
    form("a header of another kind", OWN, part(QWEN, disposition('name="model"'), "X-A: b"), END, code=MALFORMED),
    form("an attachment", OWN, part(QWEN, 'Content-Disposition: attachment; name="model"'), END, code=MALFORMED),
    form("another letter case", OWN, part(QWEN, 'content-disposition: Form-Data; name="model"'), END, code=MALFORMED),
    form(
        "two dispositions, the last",
        OWN,
        part(QWEN, disposition('name="x"'), disposition('name="model"')),
        END,
        code=MALFORMED,
    ),
    form(
        "two dispositions, the first",
        OWN,
        part(QWEN, disposition('name="model"'), disposition('name="x"')),
        END,
        code=MALFORMED,
    ),
    form(
        "base64",
        field(base64.b64encode(QWEN.encode()).decode(), 'name="model"', "Content-Transfer-Encoding: base64"),
        END,
        code=MALFORMED,
    ),
    form(
        "quoted-printable",
        field(QWEN.replace("q", "=71"), 'name="model"', "Content-Transfer-Encoding: quoted-printable"),
        END,
        code=MALFORMED,
    ),
    form(
        "a value in UTF-7",
        field("+AHE-wen-3-32b", 'name="model"', "Content-Type: text/plain; charset=utf-7"),
        END,
        code=MALFORMED,
    ),
    form("line ends of one byte", OWN, part(QWEN, disposition('name="model"'), end="\n"), END, code=MALFORMED),
    form(
        "line ends of one byte throughout",
        part(QWEN, disposition('name="model"'), end="\n"),
        "--b--\n",
        code=MALFORMED,
    ),
    form("a preamble", f"x\r\n{field(QWEN)}", END, code=MALFORMED),
    form("an empty line before", f"\r\n{field(QWEN)}", END, code=MALFORMED),
    form("an epilogue", OWN, END, field(QWEN), END, code=MALFORMED),
    form("an end that is none", OWN, "--b--x\r\n", field(QWEN), END, code=MALFORMED),
    form("blanks behind the boundary", OWN, field(QWEN).replace("--b", "--b \t"), END, code=MALFORMED),
    form("a longer boundary", OWN, field(QWEN).replace("--b", "--bb"), END, code=MALFORMED),
    form(
        "a boundary within the line",
        OWN,
        field("x", 'name="x"')[:-2] + field(QWEN),
        END,
        code=MALFORMED,
    ),
    form("a lone line end before the boundary", OWN[:-2], f"\n{field(QWEN)}", END, code=MALFORMED),
    form(
        "two boundaries, the first",
        field(QWEN),
        END,
        OWN.replace("--b", "--c"),
        "--c--\r\n",
        media_types=("multipart/form-data; boundary=b; boundary=c",),
        code=MALFORMED,
    ),
    form(
        "two boundaries, the last",
        OWN.replace("--b", "--c"),
        "--c--\r\n",
        field(QWEN),
        END,
        media_types=("multipart/form-data; boundary=c; boundary=b",),
        code=MALFORMED,
    ),
    form(
        "an extended boundary",
        OWN.replace("--b", "--c"),
        "--c--\r\n",
        field(QWEN),
        END,
        media_types=("multipart/form-data; boundary=c; boundary*=utf-8''b",),
        code=MALFORMED,
    ),
    form(
        "a charset", field(QWEN), END, media_types=("multipart/form-data; charset=utf-7; boundary=b",), code=MALFORMED
    ),
    form(
        "two types, the last",
        field(QWEN),
        END,
        media_types=("multipart/form-data; boundary=c", "multipart/form-data; boundary=b"),
        code=MALFORMED,
    ),
    form(
        "two types, the first",
        field(QWEN),
        END,
        media_types=("multipart/form-data; boundary=b", "multipart/form-data; boundary=c"),
        code=MALFORMED,
    ),
    form("no parts but a query", f"model={QWEN}", media_types=(URLENCODED,), code=MALFORMED),
    form("no parts but JSON", f'{{"model":"{QWEN}"}}', media_types=(JSON,), code=MALFORMED),
]

# The query: many readers look there first, or add it to what is in the body.
QUERIES = [
    row
    for name, query in {
        "the query": f"?model={QWEN}",
        "the query, escaped": f"?%6dode%6C={QWEN}",
        "the query, behind others": f"?api-version=1&x&model={QWEN}",
        "the query, twice": f"?model={LLAMA}&model={QWEN}",
        "the query, behind empty ones": f"?&&model={QWEN}",
    }.items()
    for row in (
        json_row(f"{name}, with JSON", JSON, body=PLAIN, query=query, code=QUERY),
        form(f"{name}, with a form", OWN, END, query=query, code=QUERY),
    )
]


def steering(name, member, *, code):
    """A request whose own model will not do, because the prompt is too long for it, and what is to be done then."""
    prompt = "hi there " * 100
    return json_row(name, JSON, body=f'{{"model":"{LLAMA}","prompt":"{prompt}",{member}}}', code=code)


# Members besides `model` that lead a LiteLLM to a model.
OTHER = f'[{{"{LLAMA}":["{QWEN}"]}}]'
MEMBERS = [
    steering("fallbacks", f'"fallbacks":["{QWEN}"]', code=NOT_ALLOWED),
    steering("fallbacks, the own first", f'"fallbacks":["{LLAMA}","{QWEN}"]', code=NOT_ALLOWED),
    steering("fallbacks with members", f'"fallbacks":[{{"model":"{QWEN}"}}]', code=NOT_ALLOWED),
    steering("fallbacks, escaped", f'"f\\u0061llbacks":["{QWEN}"]', code=NOT_ALLOWED),
    steering("fallbacks for long prompts", f'"context_window_fallbacks":{OTHER}', code=MEMBER),
    steering("fallbacks in settings", f'"router_settings_override":{{"fallbacks":{OTHER}}}', code=MEMBER),
    steering(
        "fallbacks for long prompts in settings",
        f'"router_settings_override":{{"context_window_fallbacks":{OTHER}}}',
        code=MEMBER,
    ),
]

# All that is sent.
ATTACKS = [*BODIES, *FORMS, *QUERIES, *MEMBERS]

# What clients send every day, and what looks like an attack and is none: all judges read the own model.
HONEST_JSON = [
    json_row("JSON", JSON, body=PLAIN),
    json_row("JSON with a charset", f"{JSON}; charset=utf-8", body=PLAIN),
]
HONEST_FORMS = [
    form(
        "a form",
        OWN,
        field("RIFF\r\n--a", 'name="file"; filename="a.wav"', "Content-Type: audio/wav"),
        END,
        code=PASSES,
    ),
    form("a form with the name elsewhere", field(QWEN, 'name="x"; filename="model"'), OWN, END, code=PASSES),
    form(
        "a form with a longer name", field(QWEN, 'name="model_id"'), field(QWEN, 'name="modelled"'), OWN, END, code=PASSES
    ),
]

# `curl -d` says that its JSON is a form. Directly, some judges read nothing in it.
CURL = json_row("JSON of `curl -d`", URLENCODED, body=PLAIN)

# What is authorised without a look at a body, and so takes none.
BODY = "body_not_allowed"
CARRIERS = [
    Row("a list of models", Request("GET", "/v1/models", (KEY,)), BODY),
    Row("the head of a list of models", Request("HEAD", "/v1/models", (KEY,)), BODY),
    Row("one model", Request("GET", f"/v1/models/{LLAMA}", (KEY,)), BODY),
    Row("a public path, without a key", Request("GET", "/health"), BODY),
]
# A whole request of its own; no key is needed behind the gateway.
SMUGGLED = Request("POST", "/v1/completions", (("content-type", JSON),), f'{{"model":"{QWEN}"}}'.encode())
