"""Counts requests, for Prometheus at the path where TensorFlow Serving answers it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Upper bounds of the histogram of times, in microseconds, as TensorFlow Serving counts them.
_BOUNDS = [10_000 * 2**power for power in range(13)]


class Requests:
    """What has been answered since the server started.

    Attributes:
        answered: number of predictions by the HTTP status of their answers.
    """

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()
        self._within = [0] * (len(_BOUNDS) + 1)
        self._microseconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        """Count an answer."""
        self.answered[status] += 1
        self._within[bisect_left(_BOUNDS, seconds * 1e6)] += 1
        self._microseconds += seconds * 1e6

    def text(self, model: str, gauges: dict[str, int]) -> str:
        """All in Prometheus's format.

        Args:
            model: the model's name, a label of every line.
            gauges: further values of the moment, by their names.
        """
        name = model.replace("\\", r"\\").replace('"', r"\"")
        label = f'model_name="{name}"'
        count, latency = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"
        lines = [f"# TYPE {count} counter"]
        for status, answers in sorted(self.answered.items()):
            lines.append(f'{count}{{{label},status="{status}"}} {answers}')
        lines.append(f"# TYPE {latency} histogram")
        total = 0
        for bound, answers in zip([*_BOUNDS, "+Inf"], self._within, strict=True):
            total += answers
            lines.append(f'{latency}_bucket{{{label},le="{bound}"}} {total}')
        lines.append(f"{latency}_sum{{{label}}} {self._microseconds:.0f}")
        lines.append(f"{latency}_count{{{label}}} {total}")
        for gauge, value in gauges.items():
            lines += [f"# TYPE {gauge} gauge", f"{gauge}{{{label}}} {value}"]
        return "".join(f"{line}\n" for line in lines)


class Monitor:
    """ASGI middleware that counts predictions, whoever answers them."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(":predict"):
            await self._app(scope, receive, send)
            return
        start = time.monotonic()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.add(message["status"], time.monotonic() - start)
            await send(message)

        await self._app(scope, receive, count)
