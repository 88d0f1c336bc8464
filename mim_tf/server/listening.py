"""Runs the server: a model, the application, and uvicorn in front of it."""

from __future__ import annotations

import math
import os
import socket
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from PIL import Image

from mim_tf.errors import UserError
from mim_tf.server.application import Following, application
from mim_tf.server.door import Access, is_loopback
from mim_tf.server.limits import Limits
from mim_tf.server.memory import return_large_blocks
from mim_tf.server.page import PATH, MakePage
from mim_tf.server.protocol import guarded_protocol
from mim_tf.server.versions import Follower, load_newest


@dataclass(frozen=True)
class Served:
    """What is served.

    Attributes:
        folder: of the model's versions.
        name: in the paths of requests; None for the folder's own.
        poll_seconds: between two looks for a newer version.
        labels: names of versions, each for one number.
        make_page: gives the files of a page beside a version; None for no page.
    """

    folder: Path
    name: str | None
    poll_seconds: float
    labels: Mapping[str, str]
    make_page: MakePage | None = None


def listen(served: Served, host: str, port: int, limits: Limits, access: Access) -> None:
    """Serve the newest version of an exported model until the process is interrupted.

    Args:
        host, port: the address to listen on; the host is an IPv4 or IPv6 address or a name.
        limits: what a request may hold.
        access: who may ask.

    Raises:
        UserError: the address cannot be used, the folder holds no model, or
            the page cannot be made.
    """
    _check_address(host, port)
    return_large_blocks()
    # A picture that is too large is answered as such; the log needs no more of it.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    # TensorFlow, which reads it when it starts, has as many as there are cores: on a small machine,
    # operations of one large picture would occupy all (benchmarks/serving_under_attack.py).
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(max(16, os.cpu_count() or 1)))
    model = load_newest(served.folder, served.name)
    following = Following(Follower(served.folder, served.name), served.poll_seconds)
    app = application(model, limits, access, following, served.labels, served.make_page)
    print(
        f"serving {model.name} version {model.version} on "
        f"http://{host}:{port}/v1/models/{model.name}",
        file=sys.stderr,
    )
    for label, version in served.labels.items():
        if version != model.version:
            print(
                f"--label {label}={version}: answered only while version {version} is served",
                file=sys.stderr,
            )
    if served.make_page:
        print(f"the page: http://{host}:{port}{PATH}", file=sys.stderr)
    if access.token is None and not is_loopback(host):
        print(
            f"whoever reaches {host} may use the model: ask for a token with --token",
            file=sys.stderr,
        )
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        http=guarded_protocol(limits),
        ws="none",
        timeout_keep_alive=30,
        # The protocol closes connections in time; this ends what does not notice it.
        timeout_graceful_shutdown=math.ceil(limits.shutdown_seconds) + 5,
    )


def _check_address(host: str, port: int) -> None:
    """Raise UserError where the port is taken or is none, before the model is loaded."""
    if not 0 <= port <= 65535:
        raise UserError(f"--port {port}: give 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            pass
    except OSError as error:
        raise UserError(f"--host {host} --port {port}: {error.strerror or error}") from None
    except UnicodeError as error:  # a name with an empty or overlong part
        raise UserError(f"--host {host[:80]}: no host name ({error})") from None
