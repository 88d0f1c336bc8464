"""Finds operators in a LiteRT file that the GPU delegate does not run.

The rules are those of ``tensorflow/lite/tools/versioning/gpu_compatibility.cc`` in TensorFlow 2.21:
its list of operators, and of its conditions those that graphs of this project could violate.
TensorFlow's own ``Analyzer(gpu_compatibility=True)`` no longer checks anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_LIST = """
ABS ADD ADD_N ATAN2 AVERAGE_POOL_2D BATCH_MATMUL CAST CEIL CONCATENATION CONV_2D COS CUMSUM
DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD
FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG
LOGICAL_AND LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD
PADV2 POW PRELU QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_N1_TO_1 RESHAPE
RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX
SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE
TRANSPOSE TRANSPOSE_CONV
"""
SUPPORTED = frozenset(_LIST.split())
_LARGEST_RANK = 4


def unsupported(model: bytes) -> list[str]:
    """The reasons why a LiteRT file does not run on the GPU as a whole.

    Args:
        model: the file's content.

    Returns:
        A line for each reason, with the operator and its output tensor, whose name holds the
        layer's name; empty where the whole file runs on the GPU.
    """
    from ai_edge_litert import schema_py_generated as schema

    root = schema.ModelT.InitFromPackedBuf(model, 0)
    found = []
    if len(root.subgraphs) != 1:
        found.append(f"the file has {len(root.subgraphs)} subgraphs, so it holds control flow")
    names = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    for graph in root.subgraphs:
        for index in graph.inputs if graph is root.subgraphs[0] else ():
            if graph.tensors[index].shape[0] != 1:
                found.append(f"input {_name(graph.tensors[index])}: its batch is not 1")
        for operator in graph.operators:
            code = root.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            kind = names[number]
            if kind == "CUSTOM":
                kind = f"CUSTOM {code.customCode.decode()}"
            outputs = [graph.tensors[index] for index in operator.outputs]
            layer = _name(outputs[0]) if outputs else "?"
            # A negative index stands for an optional input that is not there.
            inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
            constant = [root.buffers[tensor.buffer].data is not None for tensor in inputs]
            for reason in _offences(kind, operator.builtinOptions, inputs, constant, outputs):
                found.append(f"{kind} of {layer}: {reason}")
    return found


def _name(tensor: Any) -> str:
    return tensor.name.decode()


def _offences(
    kind: str, options: Any, inputs: list[Any], constant: list[bool], outputs: list[Any]
) -> Iterator[str]:
    """The reasons why an operator does not run on the GPU.

    Args:
        kind: the operator's name.
        options: its attributes, as LiteRT's schema has them for this kind.
        inputs, outputs: its tensors.
        constant: for each input, whether its values are in the file.
    """
    from ai_edge_litert import schema_py_generated as schema

    if kind not in SUPPORTED:
        yield "not on the GPU delegate's list"
        return
    shapes = [_shape(tensor) for tensor in inputs]
    data = [shape for shape, fixed in zip(shapes, constant, strict=True) if not fixed]
    for tensor in outputs:
        if tensor.shapeSignature is not None and -1 in tensor.shapeSignature:
            yield "its shape is not static"
        if len(_shape(tensor)) > _LARGEST_RANK:
            yield f"it has more than {_LARGEST_RANK} dimensions"
    if kind == "CAST":
        whole = {
            name for name, number in vars(schema.TensorType).items()
            if name.startswith(("INT", "UINT")) and number in (inputs[0].type, outputs[0].type)
        }  # fmt: skip
        if whole:
            yield f"an integer cast ({', '.join(sorted(whole))})"
    elif kind in ("SLICE", "STRIDED_SLICE"):
        if len(shapes[0]) not in (3, 4):
            yield f"it slices {len(shapes[0])} dimensions instead of 3 or 4"
        if kind == "STRIDED_SLICE" and (
            options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask
        ):
            yield "it makes or drops an axis"
    elif kind in ("ADD", "MUL"):
        if not _broadcasts(kind, *shapes):
            yield f"shapes {shapes[0]} and {shapes[1]} do not broadcast there"
    elif kind == "FULLY_CONNECTED":
        if not data or constant[0]:
            yield "its input is constant"
        if options.keepNumDims and len(shapes[0]) != len(_shape(outputs[0])):
            yield "it keeps the dimensions, but their number changes"
    elif kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
        if not constant[1]:
            yield "its axes are not constant"
    elif kind in ("PAD", "PADV2", "MIRROR_PAD"):
        if shapes[1] not in ([3, 2], [4, 2]):
            yield "it pads neither 3 nor 4 dimensions"
    elif kind == "GATHER":
        if len(shapes[1]) != 1:
            yield "its indices have more than one dimension"
    elif kind == "SOFTMAX":
        if options.beta != 1:
            yield "its beta is not 1"
    elif kind == "DEPTHWISE_CONV_2D" and options.depthMultiplier != 1 and shapes[0][3] != 1:
        yield "its depth multiplier is not 1"


def _shape(tensor: Any) -> list[int]:
    return [] if tensor.shape is None else [int(size) for size in tensor.shape]


def _broadcasts(kind: str, first: list[int], second: list[int]) -> bool:
    """Whether the delegate adds or multiplies (``kind``) tensors of these shapes."""
    if len(first) == len(second):
        pairs = list(zip(first, second, strict=True))
        return kind == "ADD" or not (any(a < b for a, b in pairs) and any(a > b for a, b in pairs))
    if min(len(first), len(second)) <= 1:
        return True
    pairs = list(zip(reversed(first), reversed(second), strict=False))
    return all(a == b or 1 in (a, b) for a, b in pairs)
