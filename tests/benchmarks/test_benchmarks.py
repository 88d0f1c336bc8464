"""The benchmark counts the operations of the layers."""

from __future__ import annotations

import tensorflow as tf

from benchmarks import graph_cost
from mim_tf.editor import Editor


def test_multiply_adds_are_those_of_the_layers(random_run):
    editor = Editor(random_run)
    counted = graph_cost.multiply_adds(editor)
    parts = {name: count for name, count in counted.items() if name != "all"}
    assert counted["all"] == sum(parts.values())
    assert set(parts) == {
        "boundary", "image_encoder", "icm", "fir", "text_encoder", "mtfg"
    }  # fmt: skip

    def convolutions(layer, side):
        parts = [part for part in layer._flatten_layers() if hasattr(part, "kernel_size")]
        return sum(side**2 * int(tf.size(part.kernel)) for part in parts)

    # ICM works at one size, which is a quarter of the fine picture's area.
    icm = editor.generator.icm
    w_h = int(tf.size(icm.w_h.kernel))
    words = editor.run.config.data.max_words * editor.run.config.model.channels
    # At each place: a gate for every word, the weighted mean of the word features, and W_h.
    assert parts["icm"] == convolutions(icm, 16) + 16**2 * (2 * words + w_h)


def test_convolutions_alone_are_all_of_them(random_run):
    editor = Editor(random_run)
    outputs = graph_cost.convolutions_alone(editor, 2)()
    generator = editor.generator
    # This configuration does not use the picture's texture (Eq. 7), so its encoder does not run.
    unused = set(map(id, generator.enc.of_picture._flatten_layers()))
    layers = [
        layer
        for layer in generator._flatten_layers()
        if hasattr(layer, "kernel_size") and id(layer) not in unused
    ]
    assert len(outputs) == len(layers)
