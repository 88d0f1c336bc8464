"""The operations in the graph of an edit: multiply-adds by part, and the convolutions alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mim_tf.training import costs


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
    return [(costs.part_of(operation), operation) for operation in graph.get_operations()]


def multiply_adds(editor) -> dict[str, int]:
    """Multiply-adds for one picture by part of the network; their sum is under ``all``."""
    found = [operation for _, operation in operations(editor, 1)]
    counts = costs.by_part(found, editor.run.config.data.max_words)
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
