"""Loads a server with requests for a limited time and measures its answers.

``python -m export.serving.load_test --url http://localhost:8501 --image in.jpg --text "a red bird"
--clients 8 --seconds 30`` prints how many requests were answered, refused because the server was
busy, and lost; the answers per second; and how long answers took. The exit code is 1 where a
request was lost.
"""

from __future__ import annotations

import concurrent.futures
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser

from .client import connect

_MAX_SECONDS = 600.0


@dataclass
class Tally:
    """The answers that a client got.

    Attributes:
        seconds: how long each answer took.
        busy: number of requests that were answered with 503 or RESOURCE_EXHAUSTED.
        lost: the error message of each request that failed otherwise.
    """

    seconds: list[float] = field(default_factory=list)
    busy: int = 0
    lost: list[str] = field(default_factory=list)


def _send_requests(
    url: str, model: str, picture: bytes, text: str, end: float, timeout: float
) -> Tally:
    """Send requests one after the other until ``end``, a time of :func:`time.monotonic`."""
    tally, client = Tally(), connect(url, model, timeout, retries=0)
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            client.edit([picture], [text])
            tally.seconds.append(time.monotonic() - start)
        except UserError as error:
            if "HTTP 503" in str(error) or "RESOURCE_EXHAUSTED" in str(error):
                tally.busy += 1
                time.sleep(0.05)
            else:
                tally.lost.append(str(error))
                time.sleep(0.2)
    return tally


def run(
    url: str,
    model: str,
    picture: bytes,
    text: str,
    clients: int,
    seconds: float,
    timeout: float = 60.0,
) -> dict[str, Any]:
    """Load a server with several clients, each of which sends a request after every answer.

    Args:
        url: ``http://host:port`` or ``grpc://host:port``.
        model: the model's name.
        picture: a picture file.
        text: the caption.
        clients: number of clients at the same time.
        seconds: how long they send requests.
        timeout: seconds to wait for an answer.

    Returns:
        The numbers of requests ``answered``, ``busy`` and ``lost``; ``a_second``, answers per
        second; the times of answers ``median_ms``, ``p95_ms`` and ``longest_ms``, None without an
        answer; ``first_loss``, the error message of a lost request, or None.
    """
    start = time.monotonic()
    end = start + seconds
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        tallies = list(
            pool.map(
                lambda _: _send_requests(url, model, picture, text, end, timeout), range(clients)
            )
        )
    duration = time.monotonic() - start
    times = np.array([seconds for tally in tallies for seconds in tally.seconds]) * 1000
    lost = [message for tally in tallies for message in tally.lost]
    quantiles = {"median_ms": 0.5, "p95_ms": 0.95, "longest_ms": 1.0}
    return {
        "answered": len(times),
        "busy": sum(tally.busy for tally in tallies),
        "lost": len(lost),
        "a_second": round(len(times) / duration, 2),
        **{
            name: round(float(np.quantile(times, share)), 1) if len(times) else None
            for name, share in quantiles.items()
        },
        "first_loss": lost[0] if lost else None,
    }


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "export.serving.load_test",
        "Load a server and measure its answers.",
        '--url http://localhost:8501 --image docs/bird.png --text "red wings" --clients 8',
    )
    parser.add_argument("--url", required=True, help="http://host:8501 or grpc://host:8500")
    parser.add_argument("--model", default="mim", metavar="NAME")
    parser.add_argument("--image", metavar="PATH", type=Path, required=True)
    parser.add_argument("--text", metavar="CAPTION", required=True)
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="at once (8)")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="(30)")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.seconds <= _MAX_SECONDS or not 1 <= arguments.clients <= 256:
        raise UserError(f"--seconds is above 0 and at most {_MAX_SECONDS:g}, --clients 1 to 256")
    try:
        picture = arguments.image.read_bytes()
    except OSError as error:
        raise UserError(f"--image {arguments.image}: {error.strerror}") from None
    result = run(
        arguments.url, arguments.model, picture, arguments.text,
        arguments.clients, arguments.seconds,
    )  # fmt: skip
    print(json.dumps(result, indent=2))
    return 1 if result["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
