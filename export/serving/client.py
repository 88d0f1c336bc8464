"""Edit a picture through TensorFlow Serving or ``mim_tf.serve``.

REST:  python -m export.serving.client --url http://localhost:8501 --image in.jpg \\
           --text "a red bird" --output out.png
gRPC:  the same with --url grpc://localhost:8500
"""

from __future__ import annotations

import argparse
import base64
import binascii
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser
from mim_tf.pictures.pixels import check_strength
from mim_tf.server.model import told_by_graph
from mim_tf.storage import replacing_file

SIGNATURE = "edit"  # the one with every option
_BUSY = (502, 503, 504)  # HTTP statuses after which a request is sent again


@dataclass(frozen=True)
class Options:
    """How pictures are edited; as for :meth:`mim_tf.editor.Editor.__call__`."""

    keep_size: bool = False
    strength: float = 1.0
    anyway: bool = False


@dataclass(frozen=True)
class Answer:
    """One edited picture.

    Attributes:
        file: a PNG file.
        warnings: what about the caption may not come out as meant, one line each.
    """

    file: bytes
    warnings: tuple[str, ...]


AS_IT_IS = Options()


class RestClient:
    """A client of the REST interface.

    Args:
        url: ``http://host:port``.
        model: the model's name.
        timeout: seconds to wait for an answer.
        retries: how often a request is sent again where the server is busy or does not run yet.
    """

    def __init__(self, url: str, model: str, timeout: float = 60.0, retries: int = 3) -> None:
        self.url = f"{url.rstrip('/')}/v1/models/{model}"
        self._timeout = timeout
        self._session = requests.Session()
        # An edit changes nothing on the server, so a POST may be sent again as well.
        retry = Retry(
            retries, read=False, backoff_factor=0.3, status_forcelist=_BUSY, allowed_methods=None,
            raise_on_status=False,
        )  # fmt: skip
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def edit(
        self, files: Sequence[bytes], captions: Sequence[str], options: Options = AS_IT_IS
    ) -> list[Answer]:
        """Edit pictures.

        Args:
            files: whole picture files.
            captions: a caption for each of them.
            options: for all of them.

        Raises:
            UserError: the server cannot be reached, does not answer in time, or refuses.
        """
        body: dict[str, Any] = {
            "signature_name": SIGNATURE,
            "instances": [
                {
                    "image_bytes": {"b64": base64.b64encode(file).decode()},
                    "caption": caption,
                    **vars(options),
                }
                for file, caption in zip(files, captions, strict=True)
            ],
        }
        try:
            answer = self._session.post(f"{self.url}:predict", json=body, timeout=self._timeout)
        except requests.Timeout:
            raise UserError(f"{self.url}: no answer within {self._timeout:g} seconds") from None
        except requests.RequestException as error:
            raise UserError(f"{self.url}: cannot be reached ({_reason(error)})") from None
        tree = _json(answer)
        if not answer.ok:
            message = tree.get("error") if isinstance(tree, dict) else None
            message = told_by_graph(message) if isinstance(message, str) else answer.text[:200]
            raise UserError(f"{self.url}: HTTP {answer.status_code}: {message or '-'}")
        try:
            return [
                Answer(
                    base64.b64decode(row["image_bytes"]["b64"], validate=True),
                    tuple(row["warnings"].splitlines()),
                )
                for row in tree["predictions"]
            ]
        except (KeyError, TypeError, AttributeError, binascii.Error):
            raise UserError(f"{self.url}: its answer is not that of an exported model") from None


class GrpcClient:
    """A client of the gRPC interface; arguments as for :class:`RestClient`."""

    def __init__(self, address: str, model: str, timeout: float = 60.0, retries: int = 3) -> None:
        import grpc
        from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

        self.url, self.model = f"grpc://{address}", model
        self._timeout, self._retries = timeout, retries
        limit = 64 << 20  # photographs exceed the default of 4 MB
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_send_message_length", limit),
                ("grpc.max_receive_message_length", limit),
            ],
        )
        self._stub = PredictionServiceStub(self._channel)

    def edit(
        self, files: Sequence[bytes], captions: Sequence[str], options: Options = AS_IT_IS
    ) -> list[Answer]:
        """Edit pictures; see :meth:`RestClient.edit`."""
        import time

        import grpc
        import tensorflow as tf

        from .messages import predict_request

        inputs: Mapping[str, Any] = {
            "image_bytes": list(files),
            "caption": [text.encode() for text in captions],
            **{name: [value] * len(files) for name, value in vars(options).items()},
        }
        request = predict_request(self.model, SIGNATURE, inputs)
        for attempt in range(self._retries + 1):
            try:
                answer = self._stub.Predict(request, timeout=self._timeout)
                break
            except grpc.RpcError as error:
                busy = error.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                )
                if busy and attempt < self._retries:
                    time.sleep(0.3 * 2**attempt)
                    continue
                reason = told_by_graph(error.details() or "")
                raise UserError(f"{self.url}: {error.code().name}: {reason}") from None
        if not {"image_bytes", "warnings"} <= set(answer.outputs):
            raise UserError(f"{self.url}: its answer is not that of an exported model")
        pictures, told = (
            tf.make_ndarray(answer.outputs[name]) for name in ("image_bytes", "warnings")
        )
        return [
            Answer(file, tuple(text.decode().splitlines()))
            for file, text in zip(pictures, told, strict=True)
        ]


def connect(url: str, model: str, timeout: float, retries: int) -> RestClient | GrpcClient:
    """The client for a URL: ``http://host:port``, ``https://...`` or ``grpc://host:port``."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(f"--url {url}: {error}") from None
    if parts.scheme == "grpc" and parts.netloc:
        return GrpcClient(parts.netloc, model, timeout, retries)
    if parts.scheme in ("http", "https") and parts.netloc:
        return RestClient(url, model, timeout, retries)
    raise UserError(f"--url {url}: give http://host:8501 (REST) or grpc://host:8500")


def _reason(error: Exception) -> str:
    """The message of the innermost cause, without those of the exceptions around it."""
    reason: Any = getattr(error.args[0], "reason", error) if error.args else error
    return str(reason).rsplit(": ", 1)[-1]


def _json(answer: requests.Response) -> Any:
    """The answer's JSON; None where it is not JSON."""
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "export.serving.client",
        "Edit a picture through a server.",
        '--url http://localhost:8501 --image docs/bird.png --text "red wings" --output edited.png',
    )
    parser.add_argument("--url", required=True, help="http://host:8501 or grpc://host:8500")
    parser.add_argument("--model", default="mim", metavar="NAME", help="on the server (mim)")
    parser.add_argument("--image", metavar="PATH", type=Path, required=True)
    parser.add_argument("--text", metavar="CAPTION", required=True)
    parser.add_argument("--output", metavar="PATH", type=Path, required=True, help="a .png file")
    parser.add_argument(
        "--keep-size", action="store_true", help="put the change back at the original resolution"
    )
    parser.add_argument("--strength", type=float, default=1.0, metavar="0..1.5", help="(1)")
    parser.add_argument(
        "--anyway", action="store_true", help="edit though no known word says what to change to"
    )
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="(60)")
    parser.add_argument("--retries", type=int, default=3, metavar="N", help="(3)")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.output.suffix.lower() != ".png":
        raise UserError(f"--output {arguments.output}: servers answer PNG; name a .png file")
    check_strength(arguments.strength)
    client = connect(arguments.url, arguments.model, arguments.timeout, arguments.retries)
    try:
        picture = arguments.image.read_bytes()
    except OSError as error:
        raise UserError(f"--image {arguments.image}: {error.strerror}") from None
    options = Options(arguments.keep_size, arguments.strength, arguments.anyway)
    [edited] = client.edit([picture], [arguments.text], options)
    for warning in edited.warnings:
        print(f"{arguments.text!r}: {warning}", file=sys.stderr)
    try:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(arguments.output) as partial:
            partial.write_bytes(edited.file)
    except OSError as error:
        raise UserError(f"--output {arguments.output}: {error.strerror}") from None
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
