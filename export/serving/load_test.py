"""How much a server bears, for a bounded time.

``python -m export.serving.load_test --url http://localhost:8501 --image in.jpg --text "a red bird"
--clients 8 --seconds 30`` prints the requests answered, refused as busy and lost, pictures a
second, and the time an answer took. Exit code 1 if any was lost.
"""

from __future__ import annotations

import argparse
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

from .client import connect

_LONGEST = 600.0


@dataclass
class Tally:
    """What one client saw.

    Attributes:
        seconds: of each answer.
        busy: requests that were answered with 503 or RESOURCE_EXHAUSTED.
        lost: the message of each that failed otherwise.
    """

    seconds: list[float] = field(default_factory=list)
    busy: int = 0
    lost: list[str] = field(default_factory=list)


def _client(url: str, model: str, picture: bytes, text: str, end: float, timeout: float) -> Tally:
    tally, client = Tally(), connect(url, model, timeout, retries=0)
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            client.edit([picture], [text], keep_size=False)
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
    """Load a server with ``clients`` at once, each sending its next request after an answer.

    Returns:
        ``answered``, ``busy``, ``lost`` (counts), ``a_second``; the answer times ``median_ms``,
        ``p95_ms`` and ``longest_ms``; ``first_loss``: its message or None.
    """
    start = time.monotonic()
    end = start + seconds
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        tallies = list(
            pool.map(lambda _: _client(url, model, picture, text, end, timeout), range(clients))
        )
    took = time.monotonic() - start
    times = np.array([one for tally in tallies for one in tally.seconds]) * 1000
    lost = [one for tally in tallies for one in tally.lost]
    quantile = {"median_ms": 0.5, "p95_ms": 0.95, "longest_ms": 1.0}
    return {
        "answered": len(times),
        "busy": sum(tally.busy for tally in tallies),
        "lost": len(lost),
        "a_second": round(len(times) / took, 2),
        **{
            name: round(float(np.quantile(times, share)), 1) if len(times) else None
            for name, share in quantile.items()
        },
        "first_loss": lost[0] if lost else None,
    }


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m export.serving.load_test", description="How much a server bears."
    )
    parser.add_argument("--url", required=True, help="http://host:8501 or grpc://host:8500")
    parser.add_argument("--model", default="mim", metavar="NAME")
    parser.add_argument("--image", metavar="PATH", type=Path, required=True)
    parser.add_argument("--text", metavar="CAPTION", required=True)
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="at once (8)")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="(30)")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.seconds <= _LONGEST or not 1 <= arguments.clients <= 256:
        raise UserError(f"--seconds is above 0 and at most {_LONGEST:g}, --clients 1 to 256")
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
