"""Serve an exported SavedModel without Docker, over TensorFlow Serving's REST interface.

``python -m mim_tf.serve --model models/mim`` answers the same paths with the same JSON as
TensorFlow Serving: ``POST /v1/models/mim:predict``, ``GET /v1/models/mim`` (status) and
``GET /v1/models/mim/metadata``, each also under ``/versions/<version>``; and ``GET /healthz``.

Requests that wait at the same time run as one batch. What exceeds a limit is refused at once:
400 (wrong content, too many pixels, too long a caption), 408 (the body comes too slowly), 413 (body
too large), 503 (queue full), 504 (no answer in time).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import concurrent.futures
import contextlib
import io
import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.errors import UserError, entry_point

_DEFAULT_SIGNATURE = "serving_default"
_MESSAGE = re.compile(r"assertion failed: \[([^\]]*)\]")


@dataclass(frozen=True)
class Limits:
    """What the server accepts.

    Attributes:
        body: bytes of a request.
        pixels: of one encoded picture, by its header.
        caption: characters of one string.
        items: pictures in a request.
        queue: requests that wait; one more is answered 503.
        batch: pictures that run at once.
        body_seconds: until the whole request must have come.
        answer_seconds: until the answer must be ready.
    """

    body: int = 16 << 20
    pixels: int = 25_000_000
    caption: int = 2000
    items: int = 32
    queue: int = 64
    batch: int = 8
    body_seconds: float = 30.0
    answer_seconds: float = 60.0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mim_tf.serve", description="Serve a SavedModel over HTTP."
    )
    parser.add_argument(
        "--model", metavar="DIR", type=Path, required=True, help="what export.saved_model wrote"
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, default=8501)
    defaults = Limits()
    for flag, kind, text in (
        ("body", int, "bytes of a request"),
        ("pixels", int, "of one picture"),
        ("caption", int, "characters of a caption"),
        ("items", int, "pictures in a request"),
        ("queue", int, "requests that may wait"),
        ("batch", int, "pictures that run at once"),
        ("body-seconds", float, "until a request must have come"),
        ("answer-seconds", float, "until an answer must be ready"),
    ):
        value = getattr(defaults, flag.replace("-", "_"))
        parser.add_argument(
            f"--max-{flag}", type=kind, default=value, metavar="N", help=f"{text} ({value})"
        )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    import uvicorn

    arguments = _arguments(argv)
    given = {
        name.removeprefix("max_"): value
        for name, value in vars(arguments).items()
        if name.startswith("max_")
    }
    for name, value in given.items():
        if value <= 0:
            raise UserError(f"--max-{name.replace('_', '-')} {value}: must be above 0")
    limits = Limits(**given)
    model = Model(arguments.model)
    app = application(model, limits)
    print(
        f"serving {model.name} version {model.version} on "
        f"http://{arguments.host}:{arguments.port}/v1/models/{model.name}",
        file=sys.stderr,
    )
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        timeout_keep_alive=30,
        limit_concurrency=limits.queue + 32,  # also those that have not sent their request yet
    )
    return 0


class RequestError(Exception):
    """A request that is answered with an error; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Model:
    """The newest version of an exported model.

    Attributes:
        name, version: as in the paths.
        signatures: name -> the TensorFlow function.
    """

    def __init__(self, base: Path) -> None:
        versions = (
            [int(one.name) for one in base.iterdir() if one.name.isdigit()] if base.is_dir() else []
        )
        if not versions:
            raise UserError(
                f"--model {base} holds no version; write one with "
                f"python -m export.saved_model --run RUN --output {base}"
            )
        self.name, self.version = base.resolve().name, str(max(versions))
        path = base / self.version

        import tensorflow as tf
        import tensorflow_text  # noqa: F401 (its operations are in the graph)

        try:
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{path} is no SavedModel: {str(error).splitlines()[0]}") from None
        self.signatures = dict(self._loaded.signatures)
        if not self.signatures:
            raise UserError(f"{path} has no signature")

    def inputs(self, signature: str) -> dict[str, Any]:
        """Name -> tf.TensorSpec of a signature's inputs."""
        return self.signatures[signature].structured_input_signature[1]

    def outputs(self, signature: str) -> dict[str, Any]:
        """Name -> tf.TensorSpec of a signature's outputs."""
        return self.signatures[signature].structured_outputs

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a signature.

        Raises:
            RequestError: the model finds the input wrong.
        """
        import tensorflow as tf

        try:
            tensors = {
                name: tf.constant(value, self.inputs(signature)[name].dtype)
                for name, value in inputs.items()
            }
            out = self.signatures[signature](**tensors)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            found = _MESSAGE.search(error.message or "")
            message = found[1] if found else (error.message or "").splitlines()[0]
            raise RequestError(400, message) from None
        return {name: one.numpy() for name, one in out.items()}

    def metadata(self) -> dict[str, Any]:
        """TensorFlow Serving's answer about the signatures."""
        from tensorflow.core.framework.types_pb2 import DataType

        def infos(specs):
            return {
                name: {
                    "dtype": DataType.Name(spec.dtype.as_datatype_enum),
                    "tensor_shape": {
                        "dim": [
                            {"size": str(-1 if one is None else one), "name": ""}
                            for one in spec.shape
                        ],
                        "unknown_rank": False,
                    },
                    "name": name,
                }
                for name, spec in specs.items()
            }

        signatures = {
            name: {
                "inputs": infos(self.inputs(name)),
                "outputs": infos(self.outputs(name)),
                "method_name": "tensorflow/serving/predict",
            }
            for name in self.signatures
        }
        return {
            "model_spec": {
                "name": self.name,
                "signature_name": "",
                "version": self.version,
            },
            "metadata": {"signature_def": {"signature_def": signatures}},
        }


# JSON <-> arrays ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A parsed request: ``rows`` tells which of the two JSON forms it came in."""

    signature: str
    inputs: dict[str, np.ndarray]
    count: int
    rows: bool


def parse(body: bytes, model: Model, limits: Limits) -> Call:
    """A predict request's body, in row (``instances``) or column (``inputs``) form.

    Raises:
        RequestError: 400 with what is wrong.
    """
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is no JSON: {error}") from None
    if not isinstance(tree, dict):
        raise RequestError(400, "the body is no JSON object with 'instances' or 'inputs'")
    signature = tree.get("signature_name", _DEFAULT_SIGNATURE)
    if not isinstance(signature, str) or signature not in model.signatures:
        raise RequestError(
            400, f"no signature {str(signature)[:80]!r}; there are {sorted(model.signatures)}"
        )
    if ("instances" in tree) == ("inputs" in tree):
        raise RequestError(400, "the body needs either 'instances' or 'inputs'")
    specs = model.inputs(signature)
    rows = "instances" in tree
    columns = _columns(tree["instances"], specs) if rows else tree["inputs"]
    if not isinstance(columns, dict):
        if len(specs) > 1:
            raise RequestError(400, f"'inputs' is no object with {sorted(specs)}")
        columns = {next(iter(specs)): columns}
    if set(columns) != set(specs):
        names = sorted(str(one)[:80] for one in columns)
        raise RequestError(400, f"the inputs are {sorted(specs)}, not {names}")
    inputs = {name: _array(name, columns[name], spec, limits) for name, spec in specs.items()}
    counts = {name: len(one) for name, one in inputs.items()}
    count = next(iter(counts.values()))
    if len(set(counts.values())) > 1:
        raise RequestError(400, f"the inputs differ in their number of items: {counts}")
    if not 1 <= count <= limits.items:
        raise RequestError(400, f"{count} items; send 1 to {limits.items} in a request")
    return Call(signature, inputs, count, rows)


def _columns(instances: Any, specs: dict[str, Any]) -> dict[str, list]:
    """Rows to columns."""
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, "'instances' is no list with at least one item")
    columns: dict[str, list] = {name: [] for name in specs}
    for index, instance in enumerate(instances):
        named = isinstance(instance, dict) and set(instance) != {"b64"}
        row = instance if named else {next(iter(specs)): instance} if len(specs) == 1 else {}
        if set(row) != set(specs):
            raise RequestError(400, f"item {index}: it is no object with exactly {sorted(specs)}")
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _array(name: str, value: Any, spec: Any, limits: Limits) -> np.ndarray:
    """One input, checked against its specification."""
    dtype = spec.dtype.as_numpy_dtype
    if spec.dtype.name == "string":
        if not isinstance(value, list):
            raise RequestError(400, f"'{name}' is no list of strings")
        return np.array([_string(name, i, one, limits) for i, one in enumerate(value)], object)
    try:
        numbers = np.array(value)
        if numbers.dtype.kind not in "iuf":
            raise ValueError("not all are numbers")
        if np.dtype(dtype).kind in "iu":
            info = np.iinfo(dtype)
            if numbers.dtype.kind == "f" or numbers.min() < info.min or numbers.max() > info.max:
                raise ValueError(f"not all are whole numbers of {info.min} to {info.max}")
    except ValueError as error:
        raise RequestError(400, f"'{name}' is no rectangular list of numbers ({error})") from None
    expected = list(spec.shape)
    fits = len(expected) == numbers.ndim and all(
        one in (None, found) for one, found in zip(expected, numbers.shape, strict=True)
    )
    if not fits:
        raise RequestError(400, f"'{name}' has the shape {list(numbers.shape)}, not {expected}")
    return numbers.astype(dtype)


def _string(name: str, index: int, value: Any, limits: Limits) -> bytes:
    """One string: text as it is, ``{"b64": ...}`` decoded."""
    if isinstance(value, str):
        if len(value) > limits.caption:
            raise RequestError(
                400, f"item {index}: '{name}' has {len(value)} characters; at most {limits.caption}"
            )
        return value.encode("utf-8", "replace")
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            data = base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(400, f"item {index}: '{name}' is no base64 ({error})") from None
        if name.endswith("_bytes"):
            _check_pixels(index, data, limits)
        elif len(data) > 4 * limits.caption:
            raise RequestError(
                400, f"item {index}: '{name}' has {len(data)} bytes; at most {4 * limits.caption}"
            )
        return data
    raise RequestError(400, f"item {index}: '{name}' is neither a string nor {{'b64': ...}}")


def _check_pixels(index: int, data: bytes, limits: Limits) -> None:
    """Refuse a picture by its header; what Pillow cannot read, the model itself refuses."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        pixels = sys.maxsize
    except Exception:  # codecs raise whatever a broken file makes them trip over
        return
    if pixels > limits.pixels:
        raise RequestError(
            400, f"item {index}: the picture has more than {limits.pixels} pixels; shrink it"
        )


def answer(outputs: dict[str, np.ndarray], rows: bool) -> dict[str, Any]:
    """TensorFlow Serving's JSON: one output stands without its name."""
    columns = {name: _jsonable(name, value) for name, value in outputs.items()}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not rows:
        return {"outputs": columns if only is None else only}
    if only is not None:
        return {"predictions": only}
    names = list(columns)
    predictions = [
        dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ]
    return {"predictions": predictions}


def _jsonable(name: str, value: np.ndarray) -> list:
    if value.dtype != object:
        return value.tolist()
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(one).decode()} for one in value]
    return [one.decode("utf-8", "replace") for one in value]


# Batching ----------------------------------------------------------------------------------------


class Batcher:
    """One worker that runs what waits at the same time together.

    Args:
        model: what runs.
        limits: of queue and batch.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._waiting: list[tuple[Call, asyncio.Future]] = []
        self._wake = asyncio.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "model")

    async def submit(self, call: Call) -> dict[str, np.ndarray]:
        """The outputs of one call.

        Raises:
            RequestError: queue full, no answer in time, or the model finds the input wrong.
        """
        if len(self._waiting) >= self._limits.queue:
            raise RequestError(503, f"{self._limits.queue} requests wait already; try again later")
        future = asyncio.get_running_loop().create_future()
        entry = (call, future)
        self._waiting.append(entry)
        self._wake.set()
        try:
            return await asyncio.wait_for(future, self._limits.answer_seconds)
        except TimeoutError:
            raise RequestError(
                504, f"no answer within {self._limits.answer_seconds:g} seconds; try again later"
            ) from None
        finally:  # also when the client has gone
            if entry in self._waiting:
                self._waiting.remove(entry)

    async def work(self) -> None:
        """Run batches until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                batch = self._take()
                if not batch:
                    self._wake.clear()
                    continue
                calls = [call for call, _ in batch]
                results = await loop.run_in_executor(self._pool, self._run, calls)
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():  # timed out, or its client has gone
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        finally:
            self._pool.shutdown(wait=False)

    def _take(self) -> list[tuple[Call, asyncio.Future]]:
        """The oldest call and those behind it that fit into one batch with it."""
        taken: list[tuple[Call, asyncio.Future]] = []
        count = 0
        for entry in list(self._waiting):
            call = entry[0]
            if taken and (
                _kind(call) != _kind(taken[0][0]) or count + call.count > self._limits.batch
            ):
                continue
            taken.append(entry)
            count += call.count
            self._waiting.remove(entry)
        return taken

    def _run(self, calls: list[Call]) -> list[dict[str, np.ndarray] | Exception]:
        """Results or errors, one a call. Runs in the worker thread."""
        if len(calls) > 1:
            names = calls[0].inputs
            merged = {name: np.concatenate([one.inputs[name] for one in calls]) for name in names}
            try:
                outputs = self._model.run(calls[0].signature, merged)
            except Exception:  # whose fault it is shows when each runs alone
                return [self._run([call])[0] for call in calls]
            ends = np.cumsum([call.count for call in calls])
            return [
                {name: one[end - call.count : end] for name, one in outputs.items()}
                for call, end in zip(calls, ends, strict=True)
            ]
        try:
            return [self._model.run(calls[0].signature, calls[0].inputs)]
        except Exception as error:
            return [error]


def _kind(call: Call) -> tuple:
    """Calls of one kind can run as one batch."""
    return call.signature, *((one.dtype.str, one.shape[1:]) for one in call.inputs.values())


# HTTP --------------------------------------------------------------------------------------------


def application(model: Model, limits: Limits):
    """The ASGI application."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    batcher = Batcher(model, limits)

    @contextlib.asynccontextmanager
    async def lifespan(_) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.work())
        yield
        worker.cancel()

    def check_model(request: Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != model.name or version not in (None, model.version):
            wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise RequestError(404, f"Servable not found for request: {wanted}")

    async def body_of(request: Request) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size <= limits.body:
                        parts.append(part)
                    elif size > 4 * limits.body:
                        break  # up to there it is read and dropped, so that the client hears why
        except TimeoutError:
            raise RequestError(
                408, f"the request did not come within {limits.body_seconds:g} seconds"
            ) from None
        if size > limits.body:
            raise RequestError(413, f"the body has more than {limits.body} bytes")
        return b"".join(parts)

    async def until_gone(request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def predict(request: Request) -> Response:
        check_model(request)
        body = await body_of(request)
        call = await asyncio.to_thread(parse, body, model, limits)
        result = asyncio.ensure_future(batcher.submit(call))
        gone = asyncio.ensure_future(until_gone(request))
        try:
            await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():  # nobody waits for the answer any more
                return Response(status_code=499)
            outputs = result.result()
        finally:
            gone.cancel()
            result.cancel()
        return JSONResponse(await asyncio.to_thread(answer, outputs, call.rows))

    async def status(request: Request) -> Response:
        check_model(request)
        state = {
            "version": model.version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [state]})

    async def metadata(request: Request) -> Response:
        check_model(request)
        return JSONResponse(model.metadata())

    async def health(_) -> Response:
        return JSONResponse({"status": "ok"})

    async def refused(_, error: Exception) -> Response:
        assert isinstance(error, RequestError)
        return JSONResponse({"error": str(error)}, error.status)

    async def gone(_request, _error) -> Response:
        return Response(status_code=499)

    async def unknown(_, error: Any) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code)

    async def defect(_request, _error) -> Response:
        return JSONResponse({"error": "internal error; the server's log tells more"}, 500)

    routes = []
    for prefix in ("/v1/models/{name}", "/v1/models/{name}/versions/{version}"):
        routes += [
            Route(f"{prefix}:predict", predict, methods=["POST"]),
            Route(f"{prefix}/metadata", metadata),
            Route(prefix, status),
        ]
    return Starlette(
        routes=[*routes, Route("/healthz", health)],
        lifespan=lifespan,
        exception_handlers={
            RequestError: refused,
            ClientDisconnect: gone,
            HTTPException: unknown,
            500: defect,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
