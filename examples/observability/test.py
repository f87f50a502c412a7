#!/usr/bin/env python3
"""A real Prometheus scrapes two real Envoys, and is asked whether all that this folder promises is true.

`make test-observability` runs it. The series of the scheduler come from scheduler.py, which stands in for it, and those of
Istio from stack.py. Python 3.8 or later, standard library only.
"""

import datetime
import http.client
import json
import math
import re
import subprocess
import unittest
from collections import Counter
from typing import NamedTuple, Optional

from stack import FOLDER, HERE, ROOT, Stack

ACME, GLOBEX = "sk-tollgate-acme-demo", "sk-tollgate-globex-demo"
LLAMA, QWEN = "llama-3.1-8b", "qwen-3-32b"
# What the simulated server is asked and answers, in tokens.
PROMPT, ANSWER = 4, 16
MESSAGES = [{"role": "user", "content": "Hello, who are you?"}]
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}

EXPIRY = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=10)

# Names that the server has not got, more than have labels of their own.
MANY_MODELS = [f"absent-{number}" for number in range(110)]
# The other gateway is asked for each once, and three times for one that is there.
LIVE_TRAFFIC = 3 + len(MANY_MODELS)
# Where it answers with a total that is less than its parts.
CONTRADICTORY = "/v1/chat/completions?contradictory=1"
USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 3}
# Where its reply cannot be read.
SILENT = "/v1/chat/completions?silent=1"
# Less than one answer costs. It notes what it would refuse.
LIMIT = {"id": "day", "per": "tenant", "models": [LLAMA], "tokens": 10, "window": "day", "mode": "audit"}

# Both bootstraps; what is changed brings series and alerts into being that are rare otherwise.
CHANGES = {
    # Of one model, nobody asks for the usage of streams; further models are let through to be refused by the server.
    "local": {
        "local.yaml": {
            '"qwen-3-32b": {"groups": ["research"]}': '"qwen-3-32b": {"groups": ["research"], "streamUsage": "observe"},'
            ' "*": {"groups": ["research"]}',
            '"id": "acme-demo",': f'"id": "acme-demo", "expiresAt": "{EXPIRY.isoformat()}",',
        }
    },
    "live": {
        # Another filter that counts one token in and one out, whatever passes; a request is sent again after a 404; usage
        # that contradicts itself; a listener that is discovered, for its counter.
        "live.yaml": {
            "          - name: envoy.filters.http.router\n": """
          - name: envoy.filters.http.set_metadata
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config
              metadata:
              - metadata_namespace: io.envoy.ai_gateway
                value: {llm_input_token: 1, llm_output_token: 1}
          - name: envoy.filters.http.router
""",
            "              - match: {prefix: /}\n": f"""
              - match:
                  prefix: /
                  query_parameters: [{{name: contradictory, present_match: true}}]
                direct_response: {{status: 200, body: {{inline_string: '{json.dumps({"usage": USAGE})}'}}}}
              - match:
                  prefix: /
                  query_parameters: [{{name: silent, present_match: true}}]
                route: {{cluster: inference}}
                response_headers_to_add:
                - header: {{key: content-encoding, value: gzip}}
                typed_per_filter_config:
                  envoy.filters.http.set_metadata:
                    "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig
                    disabled: true
              - match: {{prefix: /}}
""",
            "                  timeout: 0s\n": """
                  timeout: 0s
                  retry_policy:
                    retry_on: retriable-status-codes
                    retriable_status_codes: [404]
                    retry_back_off: {base_interval: 0.001s}
""",
            "static_resources:\n": f"""
dynamic_resources:
  lds_config:
    path_config_source: {{path: {FOLDER / "listeners.yaml"}}}
static_resources:
""",
        },
        "live/tollgate.yaml": {
            '"publicPaths":': f'"mode": "audit", "limits": [{json.dumps(LIMIT)}], "publicPaths":',
            '"models": {': '"models": {"*": {"access": "authenticated"},',
        },
    },
}


def body(model, **members):
    return {"model": model, "messages": MESSAGES, **members}


class Sent(NamedTuple):
    """Requests that the local gateway gets in a wave, and what becomes of each."""

    name: str
    times: int
    key: Optional[str]
    request: dict
    tenant: str
    outcome: str
    tokens: tuple = (0, 0)
    # Another series that moves: its name, and its reason or code.
    counted: Optional[tuple] = None
    status: int = 200
    path: str = "chat/completions"
    operation: str = "chat"
    # The label, where it is not the model that was asked for.
    model: Optional[str] = None
    # The client leaves after so many bytes.
    leave_after: Optional[int] = None

    def labels(self):
        return {"tenant": self.tenant, "model": self.model or self.request["model"]}


ANSWERED = (PROMPT, ANSWER)
TRAFFIC = [
    Sent("a reply in one piece", 3, ACME, body(LLAMA), "acme", "ok", ANSWERED),
    Sent("a stream", 2, ACME, body(LLAMA, **STREAMED), "acme", "ok", ANSWERED),
    Sent("a stream whose usage the filter asks for", 2, GLOBEX, body(LLAMA, stream=True), "globex", "ok", ANSWERED),
    Sent("another operation", 1, GLOBEX, body(LLAMA, max_tokens=5), "globex", "ok", (PROMPT, 5),
         path="messages", operation="messages"),
    Sent("a stream without usage", 2, ACME, body(QWEN, stream=True), "acme", "ok",
         counted=("usage_missing", "no_usage")),
    Sent("a stream that is left", 1, ACME, body(QWEN, stream=True), "acme", "client_aborted",
         counted=("usage_missing", "aborted"), leave_after=300),
    Sent("a model that the server has not got", 1, ACME, body("absent"), "acme", "upstream_4xx", status=404),
    Sent("no key", 1, None, body(LLAMA), "unknown", "denied",
         counted=("denials", "missing_credential"), status=401, model="unknown"),
    Sent("a wrong key", 2, "sk-wrong", body(LLAMA), "unknown", "denied",
         counted=("denials", "invalid_credential"), status=401, model="unknown"),
    Sent("a model of others", 1, GLOBEX, body(QWEN), "globex", "denied",
         counted=("denials", "model_not_allowed"), status=403),
    Sent("a path that is not in the table", 1, ACME, body(LLAMA), "acme", "denied",
         counted=("denials", "operation_not_allowed"), status=403, path="files", operation="none", model="unknown"),
]  # fmt: skip

RUNBOOKS = ROOT / "docs" / "runbooks.md"

# The alerts that this traffic must raise, and no other: firing, or pending until their `for` is over.
ALERTS = {
    "TollgateConfigDiffers",
    "TollgateConfigRejected",
    "TollgateEstimatedTokens",
    "TollgateKeyExpiresIn14Days",
    "TollgateLabelOverflow",
    "TollgateLimitAt95Percent",
    "TollgateNotEnforcing",
    "TollgateRetriedRequests",
    "TollgateUnmeteredRequests",
    "TollgateUsageContradicts",
    "TollgateUsageDisagrees",
}

# A series of ours or of others that is named in an expression; recorded ones have colons.
NAME = re.compile(r"\b(?:tollgate_|envoy_|llm_d_epp_|istio_agent_|pilot_|\w+:)[\w:]+|\bup\b")


def series(name, **labels):
    return f"tollgate_{name}_total", frozenset(labels.items())


def expected(waves):
    """The value of each counter after so many waves of the traffic."""
    counters = Counter()
    for sent in TRAFFIC:
        times = waves * sent.times
        labels = sent.labels()
        counters[series("requests", operation=sent.operation, outcome=sent.outcome, **labels)] += times
        for kind, count in zip(("input", "output"), sent.tokens):
            counters[series("tokens", type=kind, **labels)] += count * times
        if sent.counted:
            name, value = sent.counted
            own = {"code": value, "tenant": sent.tenant} if name == "denials" else {"reason": value, **labels}
            counters[series(name, **own)] += times
    return +counters


def send(gateway):
    for sent in TRAFFIC:
        for _ in range(sent.times):
            status = gateway.post(sent.key, sent.request, f"/v1/{sent.path}", leave_after=sent.leave_after)
            assert status == sent.status, f"{sent.name}: {status}"


def send_to_live(gateway):
    """Counted otherwise by another filter; contradictory; of unknown cost; retried; with more models than there are labels
    for; more than a limit allows."""
    gateway.post(ACME, body(LLAMA), CONTRADICTORY)
    gateway.post(ACME, body(LLAMA), SILENT)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
    for model in [LLAMA, *MANY_MODELS]:
        gateway.post(ACME, body(model), connection=connection)
    connection.close()


class Observability(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "listeners.yaml").write_text("resources: []\n")
        cls.stack = Stack(CHANGES)
        cls.addClassCleanup(cls.stack.stop)
        cls.local, cls.live = cls.stack.gateways.values()
        cls.query = cls.stack.prometheus.query
        # A counter has to be seen before it moves, or Prometheus sees no rate: everything happens twice.
        for wave in (1, 2):
            send(cls.local)
            send_to_live(cls.live)
            cls.stack.until(f"wave {wave} is scraped", lambda: cls.scraped() == [wave * count for count in cls.sent()])
        # The same with a key's hash cut short.
        cls.live.publish(cls.live.filter.replace('"sha256:b0bc88b5', '"sha256:'))
        cls.stack.until("the refusal is scraped", lambda: cls.query("envoy_extension_config_fail_total == 1"))
        cls.stack.until("the rules have seen it", lambda: cls.query('ALERTS{alertname="TollgateConfigRejected"}'))

    @staticmethod
    def sent():
        """Requests of a wave, and those of which the duration is recorded."""
        denied = sum(sent.times for sent in TRAFFIC if sent.outcome == "denied")
        requests = sum(sent.times for sent in TRAFFIC) + LIVE_TRAFFIC
        return [requests, requests - denied]

    @classmethod
    def scraped(cls):
        """The same as Prometheus knows them; histograms come later than counters."""
        names = ("tollgate_requests_total", "tollgate_request_duration_milliseconds_count")
        return [sum(value for _, value in cls.query(name)) for name in names]

    def test_counters_and_labels_are_exactly_what_was_sent(self):
        scraped = {}
        for labels, value in self.query(f'{{__name__=~"tollgate_.+_total",instance="{self.local.admin}"}}'):
            name = labels.pop("__name__")
            self.assertEqual(labels.pop("job"), "tollgate")
            labels.pop("instance")
            scraped[name, frozenset(labels.items())] = value
        # How much is guessed is for the filter's own tests; here, of whom.
        guessed = {"tenant": "acme", "model": QWEN, "type": "output"}
        self.assertGreater(scraped.pop(series("estimated_tokens", **guessed)), 2 * ANSWER)
        self.assertGreater(scraped.pop(series("estimated_tokens", **guessed | {"type": "input"})), 0)
        self.assertEqual(scraped, dict(expected(waves=2)))

    def test_envoy_itself_has_counted_as_many_requests(self):
        for gateway in (self.local, self.live):
            inference = f'instance="{gateway.admin}",envoy_http_conn_manager_prefix="inference"'
            [(_, answered)] = self.query(f"envoy_http_downstream_rq_completed{{{inference}}}")
            [(_, counted)] = self.query(f'sum(tollgate_requests_total{{instance="{gateway.admin}"}})')
            self.assertEqual(counted, answered)

    def test_histograms_count_what_was_sent_and_give_quantiles_in_milliseconds(self):
        mine = f'instance="{self.local.admin}",tenant="globex",model="{LLAMA}"'
        duration = self.query(f"tollgate_request_duration_milliseconds_count{{{mine}}}")
        self.assertEqual([value for _, value in duration], [6])
        for name, low, high in [
            # The simulated server takes 5 ms for each token; the rest is patience with busy machines.
            ("time_to_first_token", 1, 5000),
            ("time_per_output_token", 5, 1000),
        ]:
            metric = f"tollgate_{name}_milliseconds"
            with self.subTest(metric):
                self.assertEqual([value for _, value in self.query(f"{metric}_count{{{mine}}}")], [4])
                [(labels, median)] = self.query(f"histogram_quantile(0.5, {metric}_bucket{{{mine}}})")
                self.assertEqual(labels["tenant"], "globex")
                self.assertTrue(low <= median <= high, median)

    def test_histograms_of_all_gateways_have_the_same_buckets(self):
        bounds = {}
        for labels, _ in self.query("tollgate_request_duration_milliseconds_bucket"):
            bounds.setdefault(labels["instance"], set()).add(labels["le"])
        self.assertEqual(bounds[self.live.admin], bounds[self.local.admin])

    def test_fairness_ids_of_the_scheduler_are_the_tenants(self):
        waits = "llm_d_epp_flow_control_request_queue_duration_seconds_count"
        flows = {labels["fairness_id"]: value for labels, value in self.query(f"sum by (fairness_id) ({waits})")}
        passed = Counter()
        for sent in TRAFFIC:
            if sent.outcome != "denied":
                passed[sent.tenant] += 2 * sent.times
        # The other gateway answers one request itself, and sends what is answered 404 again.
        passed["acme"] += 2 * (2 + 2 * len(MANY_MODELS))
        self.assertEqual(flows, passed)

    def test_rules_and_their_unit_tests_hold(self):
        promtool = subprocess.check_output([HERE / "find-prometheus.sh", "promtool"], text=True).strip()
        for arguments in (
            ["check", "config", "prometheus.yml"],
            ["check", "rules", "rules.yaml"],
            ["test", "rules", "rules.test.yaml"],
        ):
            check = subprocess.run([promtool, *arguments], cwd=HERE, capture_output=True, text=True)
            self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_every_rule_has_unit_tests_and_every_alert_one_for_firing_and_one_for_silence(self):
        # An expression, its time, and what is expected: an empty list or samples.
        case = re.compile(r"- expr: (.+)\n    eval_time: \w+\n    exp_samples:(.*)\n")
        cases = case.findall((HERE / "rules.test.yaml").read_text())
        for rule in self.rules():
            silent, firing = ("[]", "") if rule["type"] == "alerting" else ("", "")
            name = rule["name"]
            query = f'ALERTS{{alertname="{name}",alertstate="firing"}}' if rule["type"] == "alerting" else name
            found = {expected.strip() for expression, expected in cases if expression == query}
            self.assertEqual(found, {silent, firing}, name)

    def test_every_series_that_a_rule_or_a_panel_names_is_scraped_or_recorded(self):
        names = set(self.stack.prometheus.get("label/__name__/values"))
        expressions = [rule["query"] for rule in self.rules()] + [target["expr"] for _, target in panel_queries()]
        for expression in expressions:
            # Without texts and the labels that they are for.
            named = set(NAME.findall(re.sub(r'(?:\w+(?:=|!=|=~|!~))?"[^"]*"', "", expression)))
            self.assertTrue(named, expression)
            self.assertLessEqual(named, names, expression)

    def test_every_way_to_scrape_keeps_and_renames_the_same_series(self):
        def steps(name):
            _, relabelling = re.split(r"metric_relabel_configs:|metricRelabelings:\n", (HERE / name).read_text())
            steps = re.findall(r"(?:regex|target_?[lL]abel|replacement|action): (.+)", relabelling)
            self.assertGreater(len(steps), 10, name)
            return steps

        ours = steps("prometheus.yml")
        self.assertEqual(steps("istio.yaml"), ours)
        self.assertEqual(steps("envoy-gateway.yaml"), ours)

    def test_every_rule_can_be_evaluated(self):
        for rule in self.rules():
            self.assertEqual(rule["health"], "ok", rule.get("lastError"))

    def test_every_recording_rule_records(self):
        for rule in self.rules():
            if rule["type"] == "recording":
                self.assertTrue(self.query(rule["name"]), rule["name"])

    def test_alerts_are_those_of_this_traffic(self):
        alerts = self.stack.prometheus.get("alerts")["alerts"]
        self.assertEqual({alert["labels"]["alertname"] for alert in alerts}, ALERTS)
        for alert in alerts:
            for text in alert["annotations"].values():
                # What Prometheus writes into a text that it cannot make.
                self.assertNotRegex(text, r"<error|<no value>|\{\{|%!")

    def test_every_alert_links_to_a_section_of_the_runbook(self):
        headings = re.findall(r"^#+ (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        for rule in self.rules():
            if rule["type"] == "alerting":
                page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
                self.assertEqual(page, "docs/runbooks.md")
                self.assertIn(anchor, anchors, rule["name"])

    def test_every_query_of_the_dashboard_returns_data(self):
        queries = list(panel_queries())
        self.assertGreater(len(queries), 36)
        for title, target in queries:
            with self.subTest(title, expr=target["expr"]):
                result = self.query(with_variables(target["expr"]))
                self.assertTrue(any(math.isfinite(value) for _, value in result), result)
                # What the legend names must be there.
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    self.assertTrue(all(labels.get(label) for labels, _ in result), result)

    def test_every_variable_of_the_dashboard_has_values(self):
        for variable in dashboard()["templating"]["list"]:
            if variable["type"] != "query":
                continue
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
            values = self.stack.prometheus.get(f"label/{label}/values", **{"match[]": metric})
            self.assertIn({"tenant": "acme", "model": LLAMA}[variable["name"]], values)

    def rules(self):
        groups = self.stack.prometheus.get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]


def dashboard():
    return json.loads((HERE / "dashboard.json").read_text())


def panel_queries():
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target


def with_variables(expression):
    """What Grafana sends when all tenants and all models are chosen."""
    for variable, value in {"$__rate_interval": "1m", "$__range": "5m", "$tenant": ".*", "$model": ".*"}.items():
        expression = expression.replace(variable, value)
    assert "$" not in re.sub(r'"\$1"', "", expression), expression
    return expression


if __name__ == "__main__":
    unittest.main(verbosity=2)
