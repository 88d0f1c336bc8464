"""Serve an exported SavedModel without Docker, over TensorFlow Serving's REST interface.

``python -m mim_tf.serve --model models/mim`` answers the same paths with the same JSON as
TensorFlow Serving: ``POST /v1/models/mim:predict``, ``GET /v1/models/mim`` (status) and
``GET /v1/models/mim/metadata``, each also under ``/versions/<version>`` and ``/labels/<name>``, and
``GET /monitoring/prometheus/metrics``. ``GET /healthz`` says whether the server works, ``GET
/readyz`` whether it takes requests now.

A request must name the server by its address, as ``localhost`` or by a name of ``--allowed-host``,
and hold the token of ``--token`` where there is one.

With ``--page``, ``/app/`` is the page of ``mim_tf.app``, whose edits this server can run.

TensorFlow Serving's own names of flags are taken as well: ``--model_base_path``, ``--model_name``
and ``--rest_api_port``.

Requests that wait at the same time run as one batch. A request that exceeds a limit is refused:
400 (wrong content, too many pixels, a caption that is too long, a host that is not allowed), 401
(no token), 408 (the body arrives too slowly), 413 (the body is too large), 503 (the queue is full,
or all requests together have too many bytes or pixels), 504 (no answer in time).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser
from mim_tf.pages.app import Site
from mim_tf.pages.served import served_site
from mim_tf.server.door import Access
from mim_tf.server.limits import Limits
from mim_tf.server.model import Model

TOKEN_VARIABLE = "MIM_TF_TOKEN"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "serve",
        "Serve a SavedModel over HTTP.",
        "--model models/mim --port 8501",
        "--model models/mim --page",
        "--model_base_path=models/mim --model_name=birds --rest_api_port=8501",
    )
    parser.add_argument(
        "--model", "--model_base_path", metavar="DIR", type=Path, required=True,
        help="what export.saved_model wrote",
    )  # fmt: skip
    parser.add_argument(
        "--model_name", metavar="NAME", help="in the paths of requests (the folder's own name)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 lets other machines in (127.0.0.1)"
    )
    port = parser.add_mutually_exclusive_group()
    port.add_argument("--port", metavar="N", type=int, default=8501, help="(8501)")
    port.add_argument(
        "--rest_api_port", dest="port", metavar="N", type=int, default=8501,
        help="the same: TensorFlow Serving has gRPC, which is not served here, at its --port",
    )  # fmt: skip
    parser.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name by which clients may call the server, besides its address; * for any",
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        default=os.environ.get(TOKEN_VARIABLE),
        help=f"clients must send it as a bearer token (the environment's {TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--poll-seconds",
        type=float,
        default=5.0,
        metavar="N",
        help="between two looks for a newer version (5)",
    )
    parser.add_argument(
        "--label",
        metavar="NAME=VERSION",
        action="append",
        default=[],
        help="a name for a version, for the path .../labels/NAME; answered while it is served",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="a page at /app/; it edits in the browser, too, where MODEL/litert holds LiteRT files",
    )
    _add_limits(parser)
    return parser.parse_args(argv)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the ``--max-...`` flags, which have the names of the fields of ``Limits``."""
    defaults = Limits()
    for flag, kind, text in (
        ("body", int, "bytes of a request"),
        ("flight-body", int, "of large requests at one time"),
        ("pixels", int, "of a request's pictures together"),
        ("small-pixels", int, "of a request that waits for no larger one"),
        ("flight-pixels", int, "of all requests' pictures at one time"),
        ("caption", int, "characters of a caption"),
        ("items", int, "pictures in a request"),
        ("queue", int, "requests that may wait"),
        ("batch", int, "pictures that run at once"),
        ("connections", int, "open connections"),
        ("client-connections", int, "of one client's address"),
        ("header-seconds", float, "until a request's header must have come"),
        ("body-seconds", float, "until its body must have come"),
        ("answer-seconds", float, "until an answer must be ready, and then taken"),
        ("shutdown-seconds", float, "until SIGTERM ends requests without an answer"),
    ):
        value = getattr(defaults, flag.replace("-", "_"))
        parser.add_argument(
            f"--max-{flag}", type=kind, default=value, metavar="N", help=f"{text} ({value})"
        )


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if not 0 < arguments.poll_seconds < float("inf"):
        raise UserError(f"--poll-seconds {arguments.poll_seconds}: must be above 0")
    limits, access, labels = _limits(arguments), _access(arguments), _labels(arguments.label)

    if arguments.page and access.token is not None:
        raise UserError(
            f"--page: no browser sends --token ({TOKEN_VARIABLE}) with what it asks for; "
            "leave one of them out, or ask for passwords in a proxy"
        )
    make_page = _page if arguments.page else None

    from mim_tf.server.listening import Served, listen

    listen(
        Served(arguments.model, arguments.model_name, arguments.poll_seconds, labels, make_page),
        arguments.host, arguments.port, limits, access,
    )  # fmt: skip
    return 0


def _page(model: Model) -> Site:
    return served_site(model.folder, model.name)


def _labels(given: Sequence[str]) -> dict[str, str]:
    """``NAME=VERSION`` texts as name -> version.

    Raises:
        UserError: one has another form, or a name is there twice.
    """
    labels: dict[str, str] = {}
    for text in given:
        name, equals, version = text.partition("=")
        if not equals or not name.isidentifier() or not version.isdecimal() or name in labels:
            raise UserError(f"--label {text[:80]}: expected NAME=VERSION, each name once")
        labels[name] = str(int(version))
    return labels


def _access(arguments: argparse.Namespace) -> Access:
    """Who may ask, by ``--allowed-host`` and ``--token``.

    Raises:
        UserError: a header cannot hold the token.
    """
    token = arguments.token
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise UserError(f"--token or {TOKEN_VARIABLE}: give printable ASCII characters")
    return Access(tuple(arguments.allowed_host), token)


def _limits(arguments: argparse.Namespace) -> Limits:
    """The limits of the ``--max-...`` flags.

    Raises:
        UserError: a limit is not above 0, or a request within the limits could not run.
    """
    values = {
        name.removeprefix("max_"): value
        for name, value in vars(arguments).items()
        if name.startswith("max_")
    }
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise UserError(f"--max-{name.replace('_', '-')} {value}: must be above 0")
    limits = Limits(**values)
    if limits.items > limits.batch:
        raise UserError(
            f"--max-items {limits.items}: a request of more pictures than --max-batch "
            f"{limits.batch} could not run"
        )
    if limits.body > limits.flight_body:
        raise UserError(
            f"--max-body {limits.body}: a request of more bytes than --max-flight-body "
            f"{limits.flight_body} could not be read"
        )
    if limits.pixels > limits.flight_pixels:
        raise UserError(
            f"--max-pixels {limits.pixels}: a request of more pixels than --max-flight-pixels "
            f"{limits.flight_pixels} could not run"
        )
    return limits


if __name__ == "__main__":
    sys.exit(main())
