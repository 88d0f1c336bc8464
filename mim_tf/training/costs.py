"""What a step costs before it is run: multiply-adds, parameters, and memory, read off its graph."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

# Keras names a part by its layer; what has another name than the paper's is told here.
_PARTS = {
    "depthwise": "boundary",
    "small_encoder": "image_encoder",
    "vgg_encoder": "image_encoder",
    "trunk": "d_t",  # of one picture, for several captions
}
_NUMBERS = re.compile(r"(_\d+)+$")  # which TensorFlow appends where layers have the same name
_BACKWARD = "gradient_tape/"
_LOOP = re.compile(r"^while(_\d+)?/")  # over the parts of a batch


def part_of(operation: Any) -> str:
    """The part of the network that an operation, or its gradient, belongs to: ``icm``."""
    name = _LOOP.sub("", operation.name.removeprefix(_BACKWARD))
    part = _NUMBERS.sub("", name.split("/")[0])
    return _PARTS.get(part, part)


def is_backward(operation: Any) -> bool:
    """Whether an operation computes gradients."""
    return operation.name.startswith(_BACKWARD)


def multiply_adds(operation: Any, words: int) -> int:
    """Multiply-adds of an operation; 0 where it is no convolution and no matrix product.

    Args:
        words: T; the cell of an LSTM is once in the graph and runs for every word.
    """
    kind, shape = operation.type, operation.outputs[0].shape if operation.outputs else ()
    if kind in ("MatMul", "BatchMatMulV2"):
        inner = -2 if operation.get_attr(_TRANSPOSED[kind]) else -1
        count = int(np.prod(shape)) * int(operation.inputs[0].shape[inner])
    elif kind == "Conv2D":
        count = int(np.prod(shape)) * int(np.prod(operation.inputs[1].shape[:3]))
    elif kind == "DepthwiseConv2dNative":
        count = int(np.prod(shape)) * int(np.prod(operation.inputs[1].shape[:2]))
    elif kind == "Conv2DBackpropInput":
        # As many as forward: each value of the output's gradient with a kernel's input channels.
        kernel, gradient = operation.inputs[1].shape, operation.inputs[2].shape
        count = int(np.prod(gradient)) * int(np.prod(kernel[:3]))
    elif kind == "Conv2DBackpropFilter":
        count = int(np.prod(operation.inputs[2].shape)) * int(np.prod(shape[:3]))
    else:
        return 0
    return count * (words if "lstm_cell" in operation.name else 1)


_TRANSPOSED = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}


def with_loops(operations: Iterable[Any], times: int) -> Iterator[Any]:
    """Operations, and so many times those inside of loops that convolve: the parts of a batch that
    follow its first (``train.accumulate``)."""
    for operation in operations:
        yield operation
        if operation.type in ("While", "StatelessWhile"):
            body = operation.graph._get_function(operation.get_attr("body").name).graph
            if any(inner.type == "Conv2D" for inner in body.get_operations()):
                for _ in range(times):
                    yield from body.get_operations()


def by_part(operations: Iterable[Any], words: int) -> dict[str, int]:
    """Multiply-adds of each part, forward and backward together; parts without any are left
    out."""
    counts: dict[str, int] = defaultdict(int)
    for operation in operations:
        count = multiply_adds(operation, words)
        if count:
            counts[part_of(operation)] += count
    return dict(counts)


def kept_bytes(operations: Iterable[Any]) -> int:
    """Bytes of the values that forward operations leave for the gradients: most of what a step
    needs besides the variables."""
    kept: dict[str, int] = {}
    for operation in operations:
        if not is_backward(operation):
            continue
        for tensor in operation.inputs:
            if not is_backward(tensor.op) and tensor.shape.is_fully_defined():
                kept[tensor.name] = int(np.prod(tensor.shape)) * max(tensor.dtype.size, 1)
    return sum(kept.values())
