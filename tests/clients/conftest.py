"""Starts the gateway once for all tests. `UPSTREAM=host:port` puts it before that server, not the simulated one."""

import hashlib
import os

import anthropic
import openai
import pytest

from clients import Drivers
from cutting import CuttingServer
from conversations import CHAT
from gateway import Gateway, Simulator

ACME, GLOBEX, EXPIRED = "sk-tollgate-acme-demo", "sk-tollgate-globex-demo", "sk-tollgate-expired-demo"
LLAMA, QWEN = "llama-3.1-8b", "qwen-3-32b"


def digest(key):
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def pytest_collection_modifyitems(items):
    other = "simulated" if os.environ.get("UPSTREAM") else "vllm"
    for item in items:
        if item.get_closest_marker(other):
            item.add_marker(pytest.mark.skip(reason="needs another server"))


@pytest.fixture(scope="session")
def server():
    """The address of the inference server."""
    upstream = os.environ.get("UPSTREAM")
    if upstream:
        yield upstream
        return
    simulator = Simulator()
    try:
        yield simulator.says(r"listening on (\S+)\n")[0]
    finally:
        simulator.stop()


@pytest.fixture(scope="session")
def gateway(server):
    """The gateway as `make run` starts it."""
    gateway = Gateway("gateway", server)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="session")
def hiding_gateway(server):
    """One that does not say which models there are, and knows a key that has expired."""
    configuration = {
        "tenants": {"globex": {"groups": ["sales"]}},
        "keys": [
            {"id": "globex-demo", "tenant": "globex", "keyHash": digest(GLOBEX)},
            {"id": "expired", "tenant": "globex", "keyHash": digest(EXPIRED), "expiresAt": "2020-01-01T00:00:00Z"},
        ],
        "models": {LLAMA: {"groups": ["sales"]}, QWEN: {"groups": ["research"]}},
        "hideDeniedModels": True,
        "metering": {"filterState": True},
    }
    gateway = Gateway("hiding-gateway", server, configuration)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="session")
def limited_gateway(server):
    """One that lets this key ask once an hour, which it has."""
    configuration = {
        "tenants": {"acme": {"groups": ["research"]}},
        "keys": [{"id": "acme-demo", "tenant": "acme", "keyHash": digest(ACME)}],
        "models": {LLAMA: {"groups": ["research"]}},
        "limits": [{"id": "demo", "per": "key", "requests": 1, "window": "hour"}],
    }
    gateway = Gateway("limited-gateway", server, configuration)
    openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=ACME).chat.completions.create(**CHAT)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="session")
def cutting_server():
    server = CuttingServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cutting_gateway(cutting_server):
    """One before the server whose streams end in the middle."""
    gateway = Gateway("cutting-gateway", cutting_server.address)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="session")
def drivers():
    drivers = Drivers()
    yield drivers
    drivers.stop()


@pytest.fixture(scope="session")
def openai_client(gateway):
    return openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=ACME)


@pytest.fixture(scope="session")
def openai_direct(server):
    return openai.OpenAI(base_url=f"http://{server}/v1", api_key="none")


@pytest.fixture(scope="session")
def anthropic_client(gateway):
    return anthropic.Anthropic(base_url=gateway.base, api_key=ACME)


@pytest.fixture(scope="session")
def anthropic_direct(server):
    return anthropic.Anthropic(base_url=f"http://{server}", api_key="none")
