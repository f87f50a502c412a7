#!/usr/bin/env python3
"""Runs Envoy with Tollgate and a simulated inference server, until Ctrl-C. `make run` calls it.

`run.py rate-limit`, which `make run-rate-limit` calls, takes envoy/rate-limit.yaml instead of envoy/local.yaml, and
starts a rate limit server too: envoyproxy/ratelimit with Redis, where they are found, and else the one of
examples/rate-limit.

Environment, all optional:
  UPSTREAM             host:port of an inference server to use instead of the simulated one
  TOLLGATE_PORT        port that Envoy listens on [10000]; 0 takes a free one
  TOLLGATE_ADMIN_PORT  port of Envoy's admin interface [9901]; 0 takes a free one
  TOLLGATE_HOST        address that Envoy listens on [127.0.0.1]
  TOLLGATE_WASM        the filter [target/wasm32-wasip1/release/tollgate.wasm]
  TOLLGATE_CONFIG      a file with a configuration of the filter, to use instead of the bootstrap's: JSON, or whatever
                       `tollgate check` reads; it gets the bootstrap's `admittedHeader`, which the lock behind the filter
                       asks for
  TOLLGATE_RUN         folder in the repository for logs and what else is written [target/run]
  ENVOY                the Envoy to run, see find-envoy.sh
  RATELIMIT            the envoyproxy/ratelimit to run, see examples/rate-limit/find-ratelimit.sh
  REDIS_SERVER         the Redis for it, see examples/rate-limit/find-redis.sh

Python 3.8 or later, standard library only.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / (os.environ.get("TOLLGATE_RUN") or "target/run")
# What can be run: each is a bootstrap beside this file.
EXAMPLES = ("local", "rate-limit")

# The limits of the rate limit server. Its tokens a minute are more than one answer of the simulated server and less than one
# and a half: the third request finds them spent.
RATE_LIMIT = ROOT / "examples" / "rate-limit"
LIMITS = RATE_LIMIT / "config" / "tollgate.yaml"
TOKENS_PER_MINUTE = 25

READY_SECONDS = 60
TERMINATE_SECONDS = 5
POLL_SECONDS = 0.1

# A line of the bootstrap that may be changed says so at its end.
MARKED = re.compile(r"^(?P<key>\s*[\w-]+:) \S+ # make run: (?P<name>.+)$", re.MULTILINE)

# The filter's own configuration, in the block scalar that only it is written in.
CONFIGURATION = re.compile(
    r'(?P<before>\s+"@type": type\.googleapis\.com/google\.protobuf\.StringValue\n\s+value:) \|\n(?P<indent> +)\{\n'
    r"(?:(?P=indent).*\n)+"
)

# The member of that configuration which the lock behind the filter asks for.
ADMITTED = re.compile(r'^ +(?P<member>"admittedHeader": (?P<value>\{.*\})),?$', re.MULTILINE)

# How an entry of Envoy's log begins; one of these levels says why it does not work. An entry may have several lines.
ENTRY = re.compile(r"^\[[^]]*\]\[\d+\]\[(?P<level>\w+)\]")
TELLING_LEVELS = ("warning", "error", "critical")
TELLING_LINES = 30


class Failure(Exception):
    """Something does not work; the text says what, and what to do about it."""


class Interrupted(Exception):
    """Ctrl-C or a signal: an ordinary end."""


class Processes:
    """The processes started here, each in a process group of its own so that all it starts ends with it."""

    def __init__(self):
        self.running = []
        self.interrupted = False
        # The handler only takes note: an exception out of it could strike between a start and its entry in the list.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.interrupt)

    def interrupt(self, _number, _frame):
        self.interrupted = True

    def start(self, name, command, log=None, **streams):
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, start_new_session=True, stdin=subprocess.DEVNULL, **streams
            )
        except OSError as error:
            raise Failure(f"{name} could not be started: {command[0]}: {error.strerror}") from error
        self.running.append((name, process, log))
        return process

    def run(self, name, command):
        """Runs a command to its end and returns what it wrote to stdout."""
        path = RUN / "output"
        with open(path, "wb") as output:
            process = self.start(name, command, stdout=output)
        while process.poll() is None:
            self.wait()
        self.running = [entry for entry in self.running if entry[1] is not process]
        if process.returncode != 0:
            raise Failure(f"{name} failed: {shlex.join(command)}")
        return path.read_text()

    def wait(self):
        """Lets a moment pass."""
        time.sleep(POLL_SECONDS)
        if self.interrupted:
            raise Interrupted

    def watch(self, died="has ended"):
        """Lets a moment pass in which nobody may die."""
        self.wait()
        for name, process, log in self.running:
            if process.poll() is not None:
                code = process.returncode
                end = f"exit code {code}" if code >= 0 else f"signal {-code}"
                raise Failure(f"{name} {died} ({end}). From {log.relative_to(ROOT)}:\n{telling_lines(log)}")

    def stop(self):
        for _, process, _ in self.running:
            send(process, signal.SIGTERM)
        deadline = time.monotonic() + TERMINATE_SECONDS
        for _, process, _ in self.running:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        for _, process, _ in self.running:
            # Also after a timely end: it may have left processes of its own behind.
            send(process, signal.SIGKILL)
            process.wait()


def send(process, number):
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody left in the group


def telling_lines(log):
    """The lines of a log that say what went wrong, or its last lines if none does."""
    lines = log.read_text(errors="replace").splitlines()
    telling = []
    tells = False
    for line in lines:
        entry = ENTRY.match(line)
        if entry:
            tells = entry["level"] in TELLING_LEVELS
        if tells:
            telling.append(line)
    return "\n".join(f"  {line}" for line in (telling or lines)[-TELLING_LINES:])


def say(text):
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Nobody reads any more (`make run | head`): go on in silence, stopping must still work.
        sys.stdout = open(os.devnull, "w")


def port(variable, default):
    """The port that a variable asks for, which must be free."""
    text = os.environ.get(variable) or default
    if not text.isdecimal() or int(text) > 65535:
        raise Failure(f"{variable} must be a port, got `{text}`")
    with socket.socket() as probe:
        # Envoy would share the port with another Envoy without a word, and each would get some of the requests.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise Failure(f"port {text} cannot be used: {error.strerror}. Set {variable} to another one.") from error
        return probe.getsockname()[1]


def upstream_address(text):
    host, colon, number = text.rpartition(":")
    if not colon or not host or not number.isdecimal():
        raise Failure(f"UPSTREAM must be host:port, got `{text}`")
    return host.strip("[]"), number


def build_examples(processes, packages):
    """Builds programs, given by package, and returns the path of each."""
    command = ["cargo", "build", "--message-format=json-render-diagnostics"]
    for package, names in packages.items():
        command.append(f"--package={package}")
        command += [f"--bin={name}" for name in names]
    executables = {}
    for line in processes.run("the build", command).splitlines():
        message = json.loads(line)
        if message.get("executable"):
            executables[message["target"]["name"]] = message["executable"]
    return executables


def start_server(processes, name, log, command):
    """Starts a server of our own on a free port and returns its address, which it says on its first line."""
    with open(log, "wb") as output:
        processes.start(
            name, [*command, "--listen", "127.0.0.1:0"], log, stdout=output, stderr=subprocess.STDOUT
        )
    while True:
        first_line, newline, _ = log.read_text().partition("\n")
        if newline:
            return upstream_address(first_line.replace("listening on ", ""))
        processes.watch("did not start")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_engine(processes):
    """The paths of envoyproxy/ratelimit and of Redis, or `None` where one is missing; the scripts say how to get it."""
    try:
        return [
            processes.run(f"the search for {name}", [str(RATE_LIMIT / script)]).strip()
            for name, script in (("envoyproxy/ratelimit", "find-ratelimit.sh"), ("Redis", "find-redis.sh"))
        ]
    except Failure:
        return None


def start_engine(processes, ratelimit, redis):
    """Starts envoyproxy/ratelimit on a Redis that keeps what is spent on disk, and returns its address."""
    data = RUN / "redis"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    redis_port, grpc_port, http_port, debug_port = (free_port() for _ in range(4))
    log = RUN / "redis.log"
    command = [redis, "--port", str(redis_port), "--dir", str(data), "--appendonly", "yes", "--appendfsync", "everysec"]
    with open(log, "wb") as output:
        processes.start("Redis", command, log, stdout=output, stderr=subprocess.STDOUT)
    environment = {
        **os.environ,
        "HOST": "127.0.0.1",
        "PORT": str(http_port),
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": str(grpc_port),
        "DEBUG_HOST": "127.0.0.1",
        "DEBUG_PORT": str(debug_port),
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": f"127.0.0.1:{redis_port}",
        "RUNTIME_ROOT": str(RATE_LIMIT),
        "RUNTIME_SUBDIRECTORY": "",
        "RUNTIME_WATCH_ROOT": "false",
        "USE_STATSD": "false",
        # What it is asked, and what it answers.
        "LOG_LEVEL": "debug",
    }
    log = RUN / "rate-limit.log"
    with open(log, "wb") as output:
        processes.start(
            "envoyproxy/ratelimit", [ratelimit], log, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    deadline = time.monotonic() + READY_SECONDS
    while not answers(f"http://127.0.0.1:{http_port}/healthcheck"):
        processes.watch("did not start")
        if time.monotonic() > deadline:
            raise Failure(f"envoyproxy/ratelimit is not ready after {READY_SECONDS} s. From its log:\n{telling_lines(log)}")
    return "127.0.0.1", grpc_port


def own_configuration(processes, path):
    """The configuration of the filter in a file of the user's own: as it is, where it is JSON, and else what the command makes
    of it, so that the filter gets what `tollgate check` has looked at."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Failure("TOLLGATE_CONFIG must be a text in UTF-8: JSON or YAML") from None
    except (OSError, ValueError) as error:
        raise Failure(f"TOLLGATE_CONFIG cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        is_configuration = "kind" not in json.loads(text)
    except (ValueError, TypeError):
        is_configuration = False
    if is_configuration or not text.strip():
        return text
    say("TOLLGATE_CONFIG is no JSON by itself: building the command that reads it")
    command = ["cargo", "build", "--quiet", "--features=command", "--bin=tollgate", "--message-format=json-render-diagnostics"]
    messages = [json.loads(line) for line in processes.run("the build", command).splitlines()]
    [tollgate] = [message["executable"] for message in messages if message.get("executable")]
    printed = subprocess.run([tollgate, "print", path], capture_output=True, text=True, check=False)
    if printed.returncode != 0:
        raise Failure(f"TOLLGATE_CONFIG holds no configuration of the filter\n{printed.stderr.strip()}")
    return printed.stdout


def with_lock(configuration, bootstrap):
    """A configuration of the user's own with the `admittedHeader` of a bootstrap, without which nothing would pass."""
    member, value = ADMITTED.search(bootstrap.read_text()).group("member", "value")
    try:
        own = json.loads(configuration)
    except ValueError:
        own = None
    if not isinstance(own, dict):
        return configuration  # Envoy's log says better what is wrong with it.
    if "admittedHeader" not in own:
        say(f"Adding {member}, which the lock of {bootstrap.relative_to(ROOT)} asks for")
        # Into the text, because what is written twice in it must stay so for the filter to see.
        return configuration.replace("{", f"{{{member}, " if own else f"{{{member}", 1)
    if own["admittedHeader"] != json.loads(value):
        raise Failure(
            f"the lock of {bootstrap.relative_to(ROOT)} lets nothing pass without {member}: write that in"
            " TOLLGATE_CONFIG, or leave `admittedHeader` out of it"
        )
    return configuration


def write_bootstrap(bootstrap, values, configuration=None):
    """Writes a copy of a bootstrap with other values on its marked lines, see the top of local.yaml; where it is given,
    with another configuration of the filter too."""
    used = set()

    def replace(line):
        used.add(line["name"])
        # JSON strings and numbers are YAML too.
        return f"{line['key']} {json.dumps(values[line['name']])}"

    text = MARKED.sub(replace, bootstrap.read_text())
    if used != set(values):
        raise Failure(f"{bootstrap.name} has no line marked {', '.join(sorted(set(values) - used))}")
    if configuration is not None:
        # A JSON string is YAML on one line.
        value = json.dumps(with_lock(configuration, bootstrap))
        text, places = CONFIGURATION.subn(lambda block: f"{block['before']} {value}\n", text)
        if places != 1:
            raise Failure(f"{bootstrap.name} has {places} configurations of the filter, not one")
    path = RUN / "envoy.yaml"
    path.write_text(text)
    return path


def start_envoy(processes, envoy, bootstrap, admin):
    """Starts Envoy and waits until it is ready."""
    log = RUN / "envoy.log"
    command = [*shlex.split(envoy), "-c", str(bootstrap), "--concurrency", "2"]
    # A base id of its own lets other Envoys run on the machine.
    command += ["--use-dynamic-base-id"]
    # The access log goes to stdout, here the terminal, where Envoy's default of ten seconds is long to wait for a line.
    command += ["--file-flush-interval-msec", "500"]
    with open(log, "wb") as output:
        processes.start("Envoy", command, log, stderr=output)
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(admin):
        processes.watch("did not start")
        if time.monotonic() > deadline:
            raise Failure(f"Envoy is not ready after {READY_SECONDS} s. From its log:\n{telling_lines(log)}")
    return log


def is_ready(admin):
    return answers(f"{admin}/ready")


def answers(address):
    try:
        # No proxy: this never leaves the machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=1) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


ACME, GLOBEX = "sk-tollgate-acme-demo", "sk-tollgate-globex-demo"
LLAMA, QWEN = "llama-3.1-8b", "qwen-3-32b"


STREAMED = {"stream": True}
STREAMED_WITH_USAGE = {**STREAMED, "stream_options": {"include_usage": True}}


def chat(base, model, credential, members=None, *, options="-iN"):
    """The curl of a chat request with these further members in its body."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello, who are you?"}], **(members or {})}
    lines = [f"curl {options} {base}/v1/chat/completions"]
    if credential:
        lines.append(f'-H "authorization: Bearer {credential}"')
    lines += ["-H 'content-type: application/json'", f"-d '{json.dumps(body)}'"]
    return " \\\n    ".join(lines)


def tries_of_local(base, admin):
    """What to try with local.yaml: expectation and command."""
    token = f"$(cat {RUN.relative_to(ROOT)}/demo-token)"
    return [
        (
            "A key, streamed: 200, one event a token, then "
            '"usage":{"completion_tokens":16,"prompt_tokens":4,"total_tokens":20} and [DONE]',
            chat(base, LLAMA, ACME, STREAMED_WITH_USAGE),
        ),
        (
            "The same without asking for usage: none is seen, and it is counted all the same",
            chat(base, LLAMA, ACME, STREAMED),
        ),
        ("A key, not streamed: 200, after half a second", chat(base, QWEN, ACME)),
        ("No key: 401, x-tollgate-code: missing_credential", chat(base, LLAMA, None)),
        (
            "A key of a tenant that may not use the model: 403, x-tollgate-code: model_not_allowed",
            chat(base, QWEN, GLOBEX),
        ),
        ("A token of the group `sales`: 200", chat(base, LLAMA, token)),
        (
            "That token for a model of the group `research`: 403, x-tollgate-code: model_not_allowed",
            chat(base, QWEN, token),
        ),
        (
            'What it cost: after the first two, tollgate_tokens_total{tenant="acme",model="llama-3.1-8b",type="output"} 32',
            f"curl -s {admin}/stats/prometheus | grep '^tollgate_'",
        ),
    ]


def tries_of_rate_limit(base, admin):
    """The same with rate-limit.yaml."""
    return [
        (
            f"A key, streamed: 200, x-ratelimit-remaining: {TOKENS_PER_MINUTE}; its 20 tokens are charged when it ends",
            chat(base, LLAMA, ACME, STREAMED),
        ),
        (
            f"Left in the middle: 200, x-ratelimit-remaining: {TOKENS_PER_MINUTE - 20}; what had come is charged",
            chat(base, LLAMA, ACME, STREAMED, options="-iN --max-time 0.4"),
        ),
        (
            "Once more: 429, x-should-retry: false, retry-after: what is left of the minute, in seconds",
            chat(base, LLAMA, ACME),
        ),
        ("A key of another tenant: 200", chat(base, LLAMA, GLOBEX)),
        ("No key: 401, and nobody is charged", chat(base, LLAMA, None)),
        ("What the rate limit server was asked and told", f"cat {RUN.relative_to(ROOT)}/rate-limit.log"),
        (
            "What the rate limit filter did: `ok`, `over_limit`, and `error` where the server failed",
            f"curl -s '{admin}/stats?filter=ratelimit'",
        ),
    ]


def say_what_to_try(tries, bootstrap, simulated):
    if not simulated:
        say(
            "\nThe answers below are those of the simulated server. For your own, put its model names under"
            f" `models` in {bootstrap.relative_to(ROOT)} and into the commands."
        )
    say(f"\nTry, in another terminal, in {ROOT}:")
    for expectation, command in tries:
        say(f"\n  # {expectation}\n  {command}")


def serve(processes, example):
    RUN.mkdir(parents=True, exist_ok=True)
    filter_path = Path(os.environ.get("TOLLGATE_WASM") or "target/wasm32-wasip1/release/tollgate.wasm")
    if not (ROOT / filter_path).is_file():
        raise Failure(f"{filter_path} is not there: run `make build` first")
    host = os.environ.get("TOLLGATE_HOST") or "127.0.0.1"
    listener_port = port("TOLLGATE_PORT", "10000")
    admin_port = port("TOLLGATE_ADMIN_PORT", "9901")
    upstream = os.environ.get("UPSTREAM")
    if upstream:
        upstream_address(upstream)

    say("Looking for Envoy")
    envoy = processes.run("the search for Envoy", [str(ROOT / "envoy" / "find-envoy.sh")]).strip()
    say(f"Using {envoy}")

    say("Building the examples (the first time takes minutes)")
    packages = {"tollgate-examples": [] if upstream else ["inference-simulator"]}
    engine = find_engine(processes) if example == "rate-limit" else None
    if example != "rate-limit":
        packages["tollgate-examples"].append("demo-token")
    elif engine is None:
        packages["tollgate-rate-limit"] = ["rate-limit-server"]
    programs = build_examples(processes, packages)
    if "demo-token" in programs:
        (RUN / "demo-token").write_text(processes.run("the demo token", [programs["demo-token"]]))

    if upstream:
        upstream_host, upstream_port = upstream_address(upstream)
    else:
        upstream_host, upstream_port = start_server(
            processes, "the simulated inference server", RUN / "simulator.log", [programs["inference-simulator"]]
        )
    say(f"Inference server: {upstream_host}:{upstream_port}" + ("" if upstream else " (simulated)"))
    values = {
        "TOLLGATE_HOST": host,
        "TOLLGATE_PORT": listener_port,
        "TOLLGATE_ADMIN_PORT": admin_port,
        "TOLLGATE_WASM": str(ROOT / filter_path),
        "UPSTREAM host": upstream_host,
        "UPSTREAM port": int(upstream_port),
    }
    if example == "rate-limit":
        if engine is None:
            name = "that of this repository, which forgets all at its end"
            limiter_host, limiter_port = start_server(
                processes,
                "the rate limit server",
                RUN / "rate-limit.log",
                [programs["rate-limit-server"], "--config", str(LIMITS)],
            )
        else:
            name = "envoyproxy/ratelimit with Redis"
            limiter_host, limiter_port = start_engine(processes, *engine)
        say(f"Rate limit server: {limiter_host}:{limiter_port}, {name}; limits: {LIMITS.relative_to(ROOT)}")
        values.update({"RATE_LIMIT host": limiter_host, "RATE_LIMIT port": int(limiter_port)})

    bootstrap = ROOT / "envoy" / f"{example}.yaml"
    own = os.environ.get("TOLLGATE_CONFIG")
    configuration = write_bootstrap(bootstrap, values, own_configuration(processes, own) if own else None)
    say("Starting Envoy")
    admin = f"http://127.0.0.1:{admin_port}"
    log = start_envoy(processes, envoy, configuration, admin)
    reachable = "127.0.0.1" if host == "0.0.0.0" else host
    base = f"http://{reachable}:{listener_port}"
    say(f"Ready: {base}, admin {admin}, Envoy's log {log.relative_to(ROOT)}")

    tries_of = tries_of_rate_limit if example == "rate-limit" else tries_of_local
    say_what_to_try(tries_of(base, admin), bootstrap, simulated=not upstream)
    say("\nThe access log follows. Ctrl-C stops everything.\n")
    while True:
        processes.watch()


def main():
    example = sys.argv[1] if len(sys.argv) > 1 else EXAMPLES[0]
    if example not in EXAMPLES or len(sys.argv) > 2:
        print(f"usage: run.py [{'|'.join(EXAMPLES)}]", file=sys.stderr)
        return 2
    processes = Processes()
    try:
        serve(processes, example)
    except Interrupted:
        say("\nStopping")
    except Failure as failure:
        print(f"run: {failure}", file=sys.stderr, flush=True)
        return 1
    finally:
        processes.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
