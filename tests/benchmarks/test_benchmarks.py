"""The benchmark counts what it says it counts."""

from __future__ import annotations

import tensorflow as tf

from benchmarks import inference
from mim_tf.editor import Editor


def test_multiply_adds_are_those_of_the_layers(random_run):
    editor = Editor(random_run)
    counted = inference.multiply_adds(editor)
    parts = {name: count for name, count in counted.items() if name != "all"}
    assert counted["all"] == sum(parts.values())
    assert set(parts) == {
        "boundary", "image_encoder", "icm", "fir", "text_encoder", "mtfg"
    }  # fmt: skip

    def convolutions(layer, side):
        layers = [one for one in layer._flatten_layers() if hasattr(one, "kernel_size")]
        return sum(side**2 * int(tf.size(one.kernel)) for one in layers)

    # ICM works at one size, which is a quarter of the fine picture's area.
    icm = editor.generator.icm
    w_h = int(tf.size(icm.w_h.kernel))
    words = editor.run.config.data.max_words * editor.run.config.model.channels
    # At each place: the gates of the words, the mean of what they say, and its projection.
    assert parts["icm"] == convolutions(icm, 16) + 16**2 * (2 * words + w_h)


def test_convolutions_alone_are_all_of_them(random_run):
    editor = Editor(random_run)
    found = inference.convolutions_alone(editor, 2)()
    generator = editor.generator
    # The picture's textures are not encoded, as Eq. 7 does not mix them in here.
    unused = set(map(id, generator.enc.of_picture._flatten_layers()))
    layers = [
        one
        for one in generator._flatten_layers()
        if hasattr(one, "kernel_size") and id(one) not in unused
    ]
    assert len(found) == len(layers)
