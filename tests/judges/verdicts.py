"""Who was fooled by what, on each way to a judge."""

from collections import defaultdict

from attacks import QWEN
from servers import models
from wire import FRAMINGS, HTTP1

DIRECTLY, BEHIND_ENVOY, BEHIND_THE_FILTER = "directly", "behind Envoy alone", "behind the filter"
# Judge ▶ way ▶ names of rows.
fooled = defaultdict(lambda: {DIRECTLY: set(), BEHIND_ENVOY: set(), BEHIND_THE_FILTER: set()})


def to(judge, request):
    """The request with the header by which Envoy finds the judge."""
    return type(request)(request.method, request.path, (*request.headers, ("x-judge", judge)), request.body)


def without_filter(judge, envoy, rows):
    """Sends the rows to a judge itself, and through an Envoy without the filter."""
    address = judge.address()
    for row in rows:
        request = to(judge.judge, row.request)
        ways = [(DIRECTLY, address, HTTP1), (BEHIND_ENVOY, envoy.alone, FRAMINGS)]
        for way, address_of_way, framings in ways:
            for send in framings.values():
                if QWEN in models(send(address_of_way, request).text):
                    fooled[judge.judge][way].add(row.name)
