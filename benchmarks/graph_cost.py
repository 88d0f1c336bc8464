"""The operations in the graph of an edit: multiply-adds by part, and the convolutions alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

# Keras names a part of the generator by its layer; these layers have other names than the paper.
_PARTS = {
    "depthwise": "boundary",
    "small_encoder": "image_encoder",
    "vgg_encoder": "image_encoder",
}


def operations(editor, batch: int) -> list[tuple[str, Any]]:
    """The operations in the edit's graph, each with the name of the part that it belongs to."""
    import tensorflow as tf

    words, size = editor.run.config.data.max_words, editor.size
    graph = (
        tf.function(editor.graph)
        .get_concrete_function(
            tf.TensorSpec([batch, size, size, 3]), tf.TensorSpec([batch, words], tf.int32)
        )
        .graph
    )
    # TensorFlow appends numbers where layers have the same name.
    numbers = re.compile(r"(_\d+)+$")
    found = []
    for operation in graph.get_operations():
        part = numbers.sub("", operation.name.split("/")[0])
        found.append((_PARTS.get(part, part), operation))
    return found


def multiply_adds(editor) -> dict[str, int]:
    """Multiply-adds for one picture by part of the network; their sum is under ``all``."""
    counts: dict[str, int] = defaultdict(int)
    for part, operation in operations(editor, 1):
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2"):
            count = int(np.prod(operation.outputs[0].shape))
            if operation.type == "Conv2D":
                count *= int(np.prod(operation.inputs[1].shape[:3]))
            elif operation.type == "DepthwiseConv2dNative":
                count *= int(np.prod(operation.inputs[1].shape[:2]))
            else:
                count *= int(operation.inputs[0].shape[-1])
            if "lstm_cell" in operation.name:  # it is once in the graph and runs for every word
                count *= editor.run.config.data.max_words
            counts[part] += count
    return {**counts, "all": sum(counts.values())}


def convolutions_alone(editor, batch: int) -> Callable[[], Any]:
    """A function that runs all convolutions of the edit, on random numbers, and nothing else.

    It returns one number of each convolution's output, so that none is optimised away.
    """
    import tensorflow as tf

    convolutions = []
    for _, operation in operations(editor, batch):
        if operation.type == "Conv2D":
            picture, kernel = (tf.random.normal(tensor.shape) for tensor in operation.inputs)
            names = ("strides", "padding", "dilations")
            attributes = [operation.get_attr(name) for name in names]
            convolutions.append((picture, kernel, *attributes))

    def run():
        outputs = [
            tf.nn.conv2d(picture, kernel, strides, padding.decode(), dilations=dilations)
            for picture, kernel, strides, padding, dilations in convolutions
        ]
        return tf.stack([output[0, 0, 0, 0] for output in outputs])

    call = tf.function(run)
    return lambda: call().numpy()
