"""Answers of a server while others try to lock its clients out, and its memory before and after.

``python -m benchmarks.serving_under_attack --model models/mim`` starts ``mim_tf.serve``, warms it
up, and for ``--seconds`` sends good requests from eight clients beside 200 silent connections, slow
headers, slow bodies, and pictures whose headers announce more pixels than the server takes. Prints
what the good clients got, whether every answer was the right picture, and the server's memory.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser

_SILENT, _SLOW_HEADERS, _SLOW_BODIES, _BOMBERS = 200, 20, 20, 4
_STRANGER = "127.0.0.2"  # another address than that of the good clients
_CAPTION = "a bird with red wings"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "benchmarks.serving_under_attack",
        "Measure a server beside silent, slow and malicious clients.",
        "--model models/mim",
    )
    parser.add_argument("--model", metavar="DIR", type=Path, required=True)
    parser.add_argument("--image", metavar="PATH", type=Path, default=Path("docs/bird.png"))
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="good ones (8)")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="(30)")
    parser.add_argument("--port", type=int, default=8599, help="(8599)")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    server = subprocess.Popen(
        [sys.executable, "-m", "mim_tf.serve", "--model", str(arguments.model),
         "--port", str(arguments.port)]
    )  # fmt: skip
    try:
        found = measure(
            server.pid, arguments.port, arguments.image.read_bytes(), arguments.clients,
            arguments.seconds, arguments.model.resolve().name,
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(60)
    print(json.dumps(found, indent=2))
    return 0 if found["wrong"] == found["refused"] == 0 else 1


def measure(
    pid: int, port: int, picture: bytes, clients: int, seconds: float, model: str
) -> dict[str, Any]:
    """Load the server, with the attack and before it, and look at its memory around both.

    Returns:
        ``answered``, ``refused`` and ``wrong`` requests of the good clients, times of their answers
        in milliseconds, the server's resident memory in MB, and the time in which ``/healthz``
        answered at worst.
    """
    base = f"http://127.0.0.1:{port}"
    url = f"{base}/v1/models/{model}:predict"
    _wait(lambda: requests.get(f"{base}/readyz", timeout=5).ok)
    body = json.dumps({"instances": [{"image_bytes": _encoded(picture), "caption": _CAPTION}]})
    expected = requests.post(url, body, timeout=60).json()
    requests.post(url, _large_picture(1000), timeout=60)  # whose function is made on its first call
    _load(url, body, expected, clients, seconds / 3)  # the allocator's pools fill up
    before = _memory(pid)
    end = time.monotonic() + seconds
    attackers = _attackers(port, model, end)
    for attacker in attackers:
        attacker.start()
    health: list[float] = []
    watch = threading.Thread(target=_watch_health, args=(base, end, health))
    watch.start()
    found = _load(url, body, expected, clients, seconds)
    watch.join()
    for attacker in attackers:
        attacker.join()
    _wait(lambda: _idle(base, model))
    after = _memory(pid)
    return found | {
        "healthz_failed": int(np.isnan(health).sum()),
        "healthz_longest_ms": round(float(np.nanmax(health)) * 1000, 1),
        "memory_before_mb": round(before, 1),
        "memory_after_mb": round(after, 1),
        "memory_change_percent": round(100 * (after / before - 1), 1),
    }


def _encoded(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def _large_picture(side: int) -> str:
    """A request to edit a black picture at its own size."""
    buffer = io.BytesIO()
    Image.new("L", (side, side)).save(buffer, "PNG")
    row = {"image_bytes": _encoded(buffer.getvalue()), "caption": _CAPTION}
    return json.dumps({"signature_name": "edit_keep_size", "instances": [row]})


def _wait(ready: Callable[[], bool]) -> None:
    for _ in range(240):
        try:
            if ready():
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise UserError("the server has not become ready within 120 seconds")


def _idle(base: str, model: str) -> bool:
    """Whether the server has no picture in flight any more."""
    metrics = requests.get(f"{base}/monitoring/prometheus/metrics", timeout=60).text
    return f'pixels_in_flight{{model_name="{model}"}} 0\n' in metrics


def _memory(pid: int) -> float:
    """Resident memory of a process, in MB; Linux."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def _load(url: str, body: str, expected: Any, clients: int, seconds: float) -> dict[str, Any]:
    """Send the request again and again from several clients, and compare each answer."""
    times: list[float] = []
    refused, wrong = [], []
    end = time.monotonic() + seconds

    def client() -> None:
        with requests.Session() as session:
            while time.monotonic() < end:
                start = time.monotonic()
                try:
                    answer = session.post(url, body, timeout=60)
                except requests.RequestException as error:
                    refused.append(str(error))
                    continue
                if not answer.ok:
                    refused.append(answer.text)
                elif _close(answer.json(), expected):
                    times.append(time.monotonic() - start)
                else:
                    wrong.append(answer.text[:80])

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    milliseconds = np.array(times or [np.nan]) * 1000
    return {
        "answered": len(times),
        "refused": len(refused),
        "wrong": len(wrong),
        "first_refusal": refused[0][:200] if refused else None,
        "median_ms": round(float(np.median(milliseconds)), 1),
        "p95_ms": round(float(np.quantile(milliseconds, 0.95)), 1),
        "longest_ms": round(float(milliseconds.max()), 1),
    }


def _close(answer: Any, expected: Any) -> bool:
    """Whether two answers hold the same picture: a batch of other size may round otherwise."""
    pictures = []
    for found in (answer, expected):
        data = base64.b64decode(found["predictions"][0]["image_bytes"]["b64"])
        with Image.open(io.BytesIO(data)) as image:
            pictures.append(np.asarray(image.convert("RGB"), np.int16))
    first, second = pictures
    return first.shape == second.shape and bool(np.abs(first - second).max() <= 1)


def _watch_health(base: str, end: float, times: list[float]) -> None:
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            ok = requests.get(f"{base}/healthz", timeout=60).ok
        except requests.RequestException:
            ok = False
        times.append(time.monotonic() - start if ok else float("nan"))
        time.sleep(0.2)


# Who attacks -------------------------------------------------------------------------------------


def _attackers(port: int, model: str, end: float) -> list[threading.Thread]:
    head = f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: localhost\r\n".encode()
    slow_body = head + b"Content-Length: 1000000\r\n\r\n"
    kinds = [(_SILENT, b"", b""), (_SLOW_HEADERS, head, b"X"), (_SLOW_BODIES, slow_body, b"{")]
    threads = [
        threading.Thread(target=_hold, args=(port, first, drop, end))
        for count, first, drop in kinds
        for _ in range(count)
    ]
    url = f"http://127.0.0.1:{port}/v1/models/{model}:predict"
    bombs = [threading.Thread(target=_bomb, args=(url, end)) for _ in range(_BOMBERS)]
    return threads + bombs


def _hold(port: int, first: bytes, drop: bytes, end: float) -> None:
    """Hold a connection open, a byte a second; open another one where it is closed. On Linux the
    whole network 127.0.0.0/8 is the machine's own, so attackers can have an address of theirs."""
    while time.monotonic() < end:
        try:
            with socket.create_connection(
                ("127.0.0.1", port), timeout=5, source_address=(_STRANGER, 0)
            ) as connection:
                connection.sendall(first)
                while time.monotonic() < end:
                    time.sleep(1)
                    if drop:
                        connection.sendall(drop)
                    elif not _is_open(connection):
                        break
        except OSError:
            time.sleep(0.2)


def _is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return bool(connection.recv(1))
    except TimeoutError:
        return True


def _bomb(url: str, end: float) -> None:
    """Send pictures of 25 megapixels in 97 kB, and larger ones than the server takes."""
    bodies = [_large_picture(side) for side in (5000, 9000)]
    while time.monotonic() < end:
        for body in bodies:
            try:
                requests.post(url, body, timeout=60)
            except requests.RequestException:
                time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
