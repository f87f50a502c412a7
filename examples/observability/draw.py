#!/usr/bin/env python3
"""Draws dashboard.png: the panels of dashboard.json with real data, by matplotlib. It is not a picture of Grafana.

`make picture` runs it. It starts what test.py starts, sends varied traffic for some minutes, asks Prometheus the
dashboard's own queries and draws what they return where the dashboard has its panels.
"""

import datetime
import hashlib
import json
import math
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import numpy  # noqa: E402
from matplotlib.patches import FancyBboxPatch  # noqa: E402
from PIL import Image  # noqa: E402

from stack import HERE, Stack, run  # noqa: E402

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 300
SCRAPE_SECONDS = 5
RATE_INTERVAL = "30s"

# Pixels of a column and of a row of the dashboard's grid, and between panels.
COLUMN, ROW, GAP = 60, 27, 8
DPI = 100
LEGEND_COLUMNS = 3

LLAMA, QWEN = "llama-3.1-8b", "qwen-3-32b"
KEYS = {"acme": "sk-tollgate-acme-demo", "globex": "sk-tollgate-globex-demo", "initech": "sk-tollgate-initech-demo"}
EXPIRY = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=41)

CHANGES = {
    "local": {
        "local.yaml": {
            '"tenants": {': '"tenants": {"initech": {"groups": ["research"]},',
            # Another key before the first one.
            '"id": "acme-demo",': f'''
                          "id": "initech-demo",
                          "tenant": "initech",
                          "keyHash": "sha256:{hashlib.sha256(KEYS["initech"].encode()).hexdigest()}",
                          "expiresAt": "{EXPIRY.isoformat()}"
                        }},
                        {{
                          "id": "acme-demo",'''.strip(),
            '"qwen-3-32b": {"groups": ["research"]}': '"qwen-3-32b": {"groups": ["research"], "streamUsage": "observe"},'
            ' "*": {"groups": ["research"]}',
            "                  timeout: 0s\n": """
                  timeout: 0s
                  retry_policy: {retry_on: retriable-status-codes, retriable_status_codes: [404]}
""",
        }
    }
}


def requests_at(moment):
    """Requests a second at a moment between 0 and 1: a tide, a batch of globex's, and somebody who tries keys."""
    tide = 1 + 0.35 * math.sin(moment * 7)
    return {
        ("acme", LLAMA): 3.0 * tide,
        ("acme", QWEN): 2.0 * (2 - tide),
        ("globex", LLAMA): 1.0 + 11 * (0.35 < moment < 0.55),
        ("globex", QWEN): 0.3,
        ("initech", QWEN): 1.5 * tide,
        (None, LLAMA): 0.2,
        ("nobody", LLAMA): 5.0 * (0.7 < moment < 0.82),
        ("acme", "not-there-yet"): 0.1,
    }


def send(gateway, tenant, model):
    key = KEYS.get(tenant, tenant)
    words = " ".join(["word"] * random.randint(5, 60))
    body = {"model": model, "max_tokens": random.randint(6, 16), "messages": [{"role": "user", "content": words}]}
    leave_after = None
    if random.random() < 0.8:
        body["stream"] = True
        # One of three clients of one tenant has never heard of usage in streams.
        if tenant != "initech" or random.random() < 0.67:
            body["stream_options"] = {"include_usage": True}
        if random.random() < 0.06:
            leave_after = 800
    gateway.post(key, body, leave_after=leave_after)


def generate(stack):
    [gateway] = stack.gateways.values()
    begin = time.monotonic()
    shown = 0
    with ThreadPoolExecutor(96) as clients:
        while (passed := time.monotonic() - begin) < SECONDS:
            for (tenant, model), rate in requests_at(passed / SECONDS).items():
                if random.random() < rate * run.POLL_SECONDS:
                    clients.submit(send, gateway, tenant, model)
            stack.processes.watch()
            if passed - shown > 60:
                shown = passed
                run.say(f"{passed:.0f} of {SECONDS:.0f} s")


def expression(target):
    text = target["expr"]
    variables = {"$__rate_interval": RATE_INTERVAL, "$__range": f"{SECONDS:.0f}s", "$tenant": ".*", "$model": ".*"}
    for variable, value in variables.items():
        text = text.replace(variable, value)
    return text


def legend(target, labels):
    text = target["legendFormat"]
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def finite(number):
    return number if math.isfinite(number) else None


def written(value, unit, decimals=None):
    """A value as a person would write it."""
    if value is None:
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"
    text = f"{value:,.{decimals}f}" if decimals is not None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return text + {"reqps": "/s", "suffix:/s": "/s", "ms": " ms"}.get(unit, "")


class Picture:
    def __init__(self, dashboard, prometheus, begin, end):
        self.prometheus, self.begin, self.end = prometheus, begin, end
        self.panels = dashboard["panels"]
        self.width = 24 * COLUMN
        self.height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in self.panels) * ROW
        plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8})
        self.figure = plt.figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI, facecolor="#f4f5f5")
        for panel in self.panels:
            getattr(self, panel["type"])(panel)

    def axes(self, panel, left=0, right=0, top=0, bottom=0):
        """A panel's frame and title, and axes in it at these distances from its edges, in pixels."""
        place = panel["gridPos"]
        x, width = place["x"] * COLUMN + GAP / 2, place["w"] * COLUMN - GAP
        height = place["h"] * ROW - GAP
        y = self.height - place["y"] * ROW - GAP / 2 - height
        frame = FancyBboxPatch((x / self.width, y / self.height), width / self.width, height / self.height,
                               boxstyle="square,pad=0", transform=self.figure.transFigure,
                               facecolor="white", edgecolor="#d9dbde", linewidth=0.8, zorder=-1)  # fmt: skip
        self.figure.add_artist(frame)
        self.figure.text((x + 10) / self.width, (y + height - 8) / self.height, panel["title"],
                         va="top", fontsize=9, fontweight="bold", color="#24292e")  # fmt: skip
        return self.figure.add_axes(
            ((x + left) / self.width, (y + bottom) / self.height,
             (width - left - right) / self.width, (height - top - bottom) / self.height)
        )  # fmt: skip

    def row(self, panel):
        y = self.height - (panel["gridPos"]["y"] + 0.5) * ROW
        self.figure.text(10 / self.width, y / self.height, panel["title"], va="center", fontsize=10, color="#24292e")

    def stat(self, panel):
        axes = self.axes(panel)
        axes.axis("off")
        [(_, value)] = self.prometheus.query(expression(panel["targets"][0])) or [({}, math.nan)]
        settings = panel["fieldConfig"]["defaults"]
        colour = "green"
        for step in settings.get("thresholds", {}).get("steps", []):
            if step["value"] is None or value >= step["value"]:
                colour = step["color"]
        text = written(finite(value), settings["unit"], settings.get("decimals"))
        colours = {"green": "#1a7f4b", "orange": "#c4620a", "red": "#c4162a"}
        axes.text(0.5, 0.42, text, ha="center", va="center", fontsize=22, color=colours[colour])

    def timeseries(self, panel):
        axes = self.axes(panel, left=62, right=14, top=30, bottom=66)
        settings = panel["fieldConfig"]["defaults"]
        times = [self.begin + i * SCRAPE_SECONDS for i in range(int((self.end - self.begin) / SCRAPE_SECONDS) + 1)]
        lines = []
        for target in panel["targets"]:
            result = self.prometheus.get("query_range", query=expression(target), start=times[0], end=times[-1],
                                         step=SCRAPE_SECONDS)["result"]  # fmt: skip
            for series in result:
                values = {round(at): finite(float(value)) for at, value in series["values"]}
                lines.append((legend(target, series["metric"]), [values.get(round(at)) for at in times]))
        if not lines:
            axes.axis("off")
            axes.text(0.5, 0.4, "No data", ha="center", color="#5a6068")
            return
        lines.sort(key=lambda line: line[0])
        dates = [datetime.datetime.fromtimestamp(at, datetime.timezone.utc) for at in times]
        colours = [plt.get_cmap("tab10")(i % 10) for i in range(len(lines))]
        if "stacking" in settings["custom"]:
            stacked = [[value or 0 for value in values] for _, values in lines]
            axes.stackplot(dates, stacked, colors=colours, alpha=0.45, linewidth=0)
            total = [0] * len(times)
            for values, colour in zip(stacked, colours):
                total = [a + b for a, b in zip(total, values)]
                axes.plot(dates, total, color=colour, linewidth=1)
            handles = [plt.Line2D([], [], color=colour, linewidth=4, alpha=0.7) for colour in colours]
        else:
            handles = [
                axes.plot(dates, [math.nan if v is None else v for v in values], color=colour, linewidth=1.2)[0]
                for (_, values), colour in zip(lines, colours)
            ]
        axes.set_ylim(bottom=0)
        axes.set_xlim(dates[0], dates[-1])
        axes.yaxis.set_major_locator(plt.MaxNLocator(4))
        axes.yaxis.set_major_formatter(lambda value, _: written(value, settings["unit"]))
        axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
        axes.xaxis.set_major_locator(matplotlib.dates.MinuteLocator())
        axes.set_axisbelow(True)
        axes.grid(color="#e9eaec", linewidth=0.7)
        axes.tick_params(length=0, colors="#5a6068")
        for spine in axes.spines.values():
            spine.set_visible(False)
        # In the strip below the axis. Matplotlib fills column by column, and people read row by row.
        entries = [(handle, name) for handle, (name, _) in zip(handles, lines)]
        entries = [entry for column in range(LEGEND_COLUMNS) for entry in entries[column::LEGEND_COLUMNS]]
        corner = axes.get_position()
        axes.legend([handle for handle, _ in entries], [name for _, name in entries], loc="upper left",
                    bbox_to_anchor=(corner.x0 - 50 / self.width, corner.y0 - 18 / self.height),
                    bbox_transform=self.figure.transFigure, ncols=LEGEND_COLUMNS, frameon=False, fontsize=7.5,
                    handlelength=1.2, columnspacing=1.2, labelspacing=0.3, borderpad=0.2)  # fmt: skip

    def table(self, panel):
        axes = self.axes(panel, left=12, right=12, top=34, bottom=8)
        axes.axis("off")
        organise = panel["transformations"][-1]["options"]
        columns = [name for name in organise["indexByName"] if name in organise["renameByName"]]
        mappings = {
            override["matcher"]["options"]: override["properties"][0]["value"][0]["options"]
            for override in panel["fieldConfig"]["overrides"]
        }
        rows = {}
        for target in panel["targets"]:
            for labels, value in self.prometheus.query(expression(target)):
                key = tuple(labels[name] for name in columns if not name.startswith("Value"))
                rows.setdefault(key, {**labels})[f"Value #{target['refId']}"] = value
        lines = [[organise["renameByName"][name] for name in columns]]
        for key in sorted(rows):
            line = []
            for name, title in zip(columns, lines[0]):
                cell = rows[key].get(name)
                if isinstance(cell, float):
                    mapped = mappings.get(title, {}).get(f"{cell:.0f}")
                    cell = mapped["text"] if mapped else f"{cell:.0f}" if "hash" in title else f"{cell:,.0f}"
                line.append(cell or "–")
            lines.append(line)
        line_height = 22 / (panel["gridPos"]["h"] * ROW - GAP - 42)
        for number, line in enumerate(lines):
            for column, text in enumerate(line):
                text_like = columns[column] in ("tenant", "model", "instance")
                # Text from the left, numbers to the right.
                x = column / len(columns) if text_like else (column + 0.9) / len(columns)
                axes.text(x, 1 - number * line_height, text, va="top", ha="left" if text_like else "right",
                          fontsize=8.5, color="#5a6068" if number == 0 else "#24292e",
                          fontweight="bold" if number == 0 else "normal")  # fmt: skip

    def save(self, path):
        self.figure.canvas.draw()
        image = Image.fromarray(numpy.asarray(self.figure.canvas.buffer_rgba()))
        # A palette makes it a third as large.
        image.convert("RGB").quantize(256).save(path, optimize=True)


def main():
    random.seed(1)
    stack = Stack(CHANGES, scrape_interval=f"{SCRAPE_SECONDS}s", token_delay=30, slots=6)
    try:
        end = time.time() + SECONDS
        run.say(f"Sending traffic for {SECONDS:.0f} s")
        generate(stack)
        time.sleep(SCRAPE_SECONDS)
        dashboard = json.loads((HERE / "dashboard.json").read_text())
        Picture(dashboard, stack.prometheus, end - SECONDS + 30, end).save(HERE / "dashboard.png")
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
