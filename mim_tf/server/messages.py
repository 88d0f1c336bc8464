"""Converts TensorFlow Serving's JSON to arrays and back.

https://www.tensorflow.org/tfx/serving/api_rest describes the two formats: in row format a request
lists ``instances``, in column format it has a list of values for each of its ``inputs``.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mim_tf.server.limits import Limits, RequestError
from mim_tf.server.model import Model

_DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True, eq=False)
class Call:
    """A parsed predict request.

    Calls are compared by identity (``eq=False``), because ``==`` of arrays gives an array.

    Attributes:
        model: the version that was served when the request came.
        signature: name of the model's function.
        inputs: the function's arguments; their first dimension is that of the items.
        count: number of items.
        pixels: in its pictures together; of encoded ones by their headers.
        row_format: whether the request came in row format; its answer has the same format.
    """

    model: Model
    signature: str
    inputs: dict[str, np.ndarray]
    count: int
    pixels: int
    row_format: bool


def parse(body: bytes, model: Model, limits: Limits) -> Call:
    """Parse and check the body of a predict request.

    Raises:
        RequestError: 400, with what is wrong.
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
    row_format = "instances" in tree
    columns = _columns(tree["instances"], specs) if row_format else tree["inputs"]
    if not isinstance(columns, dict):
        if len(specs) > 1:
            raise RequestError(400, f"'inputs' is no object with {sorted(specs)}")
        columns = {next(iter(specs)): columns}
    if set(columns) != set(specs):
        names = sorted(str(name)[:80] for name in columns)
        raise RequestError(400, f"the inputs are {sorted(specs)}, not {names}")
    inputs = {name: _array(name, columns[name], spec, limits) for name, spec in specs.items()}
    counts = {name: len(array) for name, array in inputs.items()}
    count = next(iter(counts.values()))
    if len(set(counts.values())) > 1:
        raise RequestError(400, f"the inputs differ in their number of items: {counts}")
    if not 1 <= count <= limits.items:
        raise RequestError(400, f"{count} items; send 1 to {limits.items} in a request")
    files = [file for name in inputs if name.endswith("_bytes") for file in inputs[name]]
    pixels = _check_pixels(files, limits)
    pixels += sum(array.size // 3 for array in inputs.values() if array.dtype != object)
    return Call(model, signature, inputs, count, pixels, row_format)


def _columns(instances: Any, specs: dict[str, Any]) -> dict[str, list]:
    """Convert ``instances`` to a list of values for each input.

    An instance is an object with all inputs, or, where there is a single input, its bare value.
    """
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, "'instances' is no list with at least one item")
    columns: dict[str, list] = {name: [] for name in specs}
    for index, instance in enumerate(instances):
        is_object = isinstance(instance, dict) and set(instance) != {"b64"}
        row = instance if is_object else {next(iter(specs)): instance} if len(specs) == 1 else {}
        if set(row) != set(specs):
            raise RequestError(400, f"item {index}: it is no object with exactly {sorted(specs)}")
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _array(name: str, value: Any, spec: Any, limits: Limits) -> np.ndarray:
    """An input's values as an array, checked against its specification (tf.TensorSpec)."""
    dtype = spec.dtype.as_numpy_dtype
    if spec.dtype.name == "string":
        if not isinstance(value, list):
            raise RequestError(400, f"'{name}' is no list of strings")
        strings = [_string(name, index, item, limits) for index, item in enumerate(value)]
        return np.array(strings, object)
    try:
        numbers = np.array(value)
        if spec.dtype.name == "bool":
            if numbers.dtype.kind != "b":
                raise ValueError("not all are true or false")
        elif numbers.dtype.kind not in "iuf":
            raise ValueError("not all are numbers")
        elif np.dtype(dtype).kind in "iu":
            info = np.iinfo(dtype)
            if numbers.dtype.kind == "f" or numbers.min() < info.min or numbers.max() > info.max:
                raise ValueError(f"not all are whole numbers of {info.min} to {info.max}")
        else:
            with np.errstate(over="ignore"):  # what overflows is refused below
                if not np.isfinite(numbers.astype(dtype)).all():
                    raise ValueError("not all are finite")
    except (ValueError, OverflowError) as error:  # OverflowError: a whole number above any float
        kind = "truth values" if spec.dtype.name == "bool" else "numbers"
        raise RequestError(400, f"'{name}' is no rectangular list of {kind} ({error})") from None
    expected = list(spec.shape)
    fits = len(expected) == numbers.ndim and all(
        size in (None, found) for size, found in zip(expected, numbers.shape, strict=True)
    )
    if not fits:
        raise RequestError(400, f"'{name}' has the shape {list(numbers.shape)}, not {expected}")
    return numbers.astype(dtype)


def _string(name: str, index: int, value: Any, limits: Limits) -> bytes:
    """An item of a string input as bytes: text in UTF-8, or ``{"b64": ...}`` decoded."""
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
        if not name.endswith("_bytes") and len(data) > 4 * limits.caption:
            raise RequestError(
                400, f"item {index}: '{name}' has {len(data)} bytes; at most {4 * limits.caption}"
            )
        return data
    raise RequestError(400, f"item {index}: '{name}' is neither a string nor {{'b64': ...}}")


def _check_pixels(files: Sequence[bytes], limits: Limits) -> int:
    """The pixels of all pictures; refuses too many before any picture is decoded."""
    total = 0
    for index, data in enumerate(files):
        total += _pixels(index, data)
        if total > limits.pixels:
            raise RequestError(
                400,
                f"item {index}: up to here the pictures have more than {limits.pixels} pixels; "
                "shrink them",
            )
    return total


def _pixels(index: int, data: bytes) -> int:
    """Width times height by the picture's header; 0 for what begins as no picture that the model
    decodes: the model refuses it with a better message.

    Refuses what Pillow cannot read and the model may: how much memory it takes is not known.
    """
    from PIL import Image

    from mim_tf.pictures.files import BROKEN, SERVED_FORMATS

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.width * picture.height
    except Image.DecompressionBombError:
        return sys.maxsize
    except Exception:  # a broken file can make Pillow's codecs raise almost any exception
        if not data.startswith(tuple(SERVED_FORMATS.values())):
            return 0
        raise RequestError(400, f"item {index}: {BROKEN}") from None


def answer(outputs: dict[str, np.ndarray], *, row_format: bool) -> dict[str, Any]:
    """The JSON of an answer; as in TensorFlow Serving, a single output has no name in it."""
    columns = {name: _jsonable(name, value) for name, value in outputs.items()}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not row_format:
        return {"outputs": columns if only is None else only}
    if only is not None:
        return {"predictions": only}
    names = list(columns)
    predictions = [
        dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ]
    return {"predictions": predictions}


def _jsonable(name: str, value: np.ndarray) -> list:
    """An output as lists; strings whose name ends in ``_bytes`` become base64."""
    if value.dtype != object:
        return value.tolist()
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(data).decode()} for data in value]
    return [text.decode("utf-8", "replace") for text in value]
