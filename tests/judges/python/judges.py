"""Servers in Python. `judges.py NAME` starts one; each says which models it would serve, as `README.md` describes."""

import asyncio
import json
import os
import socket
import sys

import uvicorn


def verdict(models, read, media_type):
    """The line that a judge writes for a request, which is its answer too."""
    line = f"served {','.join(map(str, models)) or 'nothing'} by {read} of {media_type}"
    print(line, flush=True)
    return line


def from_json(body):
    try:
        document = json.loads(body)
        return [document["model"]] if "model" in document else []
    except (ValueError, TypeError):
        return []


def bound():
    """A socket on a free port, once it is said."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    return listener


def serve_asgi(application):
    listener = bound()
    config = uvicorn.Config(application, log_level="critical", lifespan="auto")
    asyncio.run(uvicorn.Server(config).serve([listener]))


def starlette():
    """By content type, as FastAPI's users do it; python-multipart reads its forms."""
    from fastapi import FastAPI, Request
    from fastapi.responses import PlainTextResponse

    application = FastAPI()

    async def values(form):
        return [value if isinstance(value, str) else (await value.read()).decode() for value in form.getlist("model")]

    @application.api_route("/{path:path}", methods=["GET", "POST"])
    async def judge(request: Request):
        media_type = request.headers.get("content-type", "")
        models, read = request.query_params.getlist("model"), "query"
        if not models and "form" in media_type:
            models, read = await values(await request.form()), "form"
        elif not models:
            models, read = from_json(await request.body()), "json"
        return PlainTextResponse(verdict(models, read, media_type))

    serve_asgi(application)


def django():
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import re_path

    settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="none", MIDDLEWARE=[])

    def judge(request, *_):
        models, read = request.GET.getlist("model") + request.POST.getlist("model"), "form"
        models += [file.read().decode() for file in request.FILES.getlist("model")]
        if not models and not request.POST:
            models, read = from_json(request.body), "json"
        return HttpResponse(verdict(models, read, request.headers.get("content-type", "")))

    sys.modules[__name__].urlpatterns = [re_path("", judge)]
    serve_asgi(get_asgi_application())


def flask():
    """`request.values`, where the query comes first; werkzeug reads its forms."""
    from flask import Flask, request
    from werkzeug.serving import WSGIRequestHandler, make_server

    application = Flask(__name__)

    @application.route("/<path:_>", methods=["GET", "POST"])
    def judge(_):
        models, read = request.values.getlist("model"), "form"
        models += [file.read().decode() for file in request.files.getlist("model")]
        if not models:
            models, read = from_json(request.get_data()), "json"
        return verdict(models, read, request.headers.get("content-type", ""))

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_):
            pass

    listener = bound()
    make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet, fd=listener.fileno()).serve_forever()


def aiohttp():
    """Reads text in the charset that the content type says."""
    from aiohttp import web

    async def judge(request):
        models, read = request.query.getall("model", []), "query"
        form = {} if models else await request.post()
        if form:
            values = form.getall("model", [])
            models = [value if isinstance(value, str) else value.file.read().decode() for value in values]
            read = "form"
        elif not models:
            models, read = from_json(await request.text()), "json"
        return web.Response(text=verdict(models, read, request.headers.get("content-type", "")))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", judge)
    web.run_app(application, sock=bound(), print=None, access_log=None)


def tornado():
    """`get_arguments`, which has the query and the form."""
    from tornado import httpserver, web

    class Judge(web.RequestHandler):
        def get(self):
            models, read = self.get_arguments("model"), "form"
            models += [file.body.decode() for file in self.request.files.get("model", [])]
            if not models:
                models, read = from_json(self.request.body), "json"
            self.write(verdict(models, read, self.request.headers.get("content-type", "")))

        post = get

    async def main():
        server = httpserver.HTTPServer(web.Application([(".*", Judge)]))
        listener = bound()
        listener.setblocking(False)
        server.add_socket(listener)
        await asyncio.Event().wait()

    import logging

    logging.disable()
    asyncio.run(main())


def litellm():
    """A real LiteLLM proxy. Its models are mocks that say their names."""
    import tempfile

    models = [
        {
            "model_name": name,
            # Longer prompts have it look for another model.
            "model_info": {"max_input_tokens": tokens},
            "litellm_params": {
                "model": f"openai/{name}",
                # Should it ever ask a server after all, there is none.
                "api_base": "http://127.0.0.1:9",
                "api_key": "none",
                "mock_response": f"served {name} by litellm of anything",
            },
        }
        for name, tokens in (("llama-3.1-8b", 50), ("qwen-3-32b", 1000))
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        # JSON is YAML too.
        # Without a pause for a model that has failed, which an attack may bring about.
        settings = {"disable_cooldowns": True, "enable_pre_call_checks": True}
        json.dump({"model_list": models, "router_settings": settings}, file)
    os.environ.update(
        CONFIG_FILE_PATH=file.name,
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_LOG="CRITICAL",
    )
    from litellm.proxy.proxy_server import app

    serve_asgi(app)


if __name__ == "__main__":
    # Under its own name too, for Django, which imports the module of its URLs.
    sys.modules["judges"] = sys.modules[__name__]
    {judge.__name__: judge for judge in (aiohttp, django, flask, litellm, starlette, tornado)}[sys.argv[1]]()
