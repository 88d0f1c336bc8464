"""Converts the networks of an Editor to LiteRT files.

The text encoder and the rest are two functions: their files run on different processors of a phone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mim_tf.backends.litert import OUTPUTS
from mim_tf.quiet import silenced


def text_function(editor) -> tuple[Callable, list]:
    """Token ids to word features: the function, and the specifications of its arguments.

    The function maps ``tokens`` int32 [1, T] to ``h_hat`` [1, T, l], ``mask`` [1, T] and
    ``attention`` [1, T, n], the weights of Eq. 2.
    """
    import tensorflow as tf

    def read(tokens):
        return editor.generator.encode_text(tokens, training=False)

    return read, [tf.TensorSpec([1, editor.run.config.data.max_words], tf.int32, "tokens")]


def image_function(editor) -> tuple[Callable, list]:
    """Picture and word features to the edit: the function, and the specifications of its arguments.

    The function maps ``image`` [1, S, S, 3] in [-1, 1] and what :func:`text_function` gives to
    ``coarse`` and ``fine`` pictures in [-1, 1], ``alpha`` and ``boundary`` in [0, 1].
    """
    import tensorflow as tf

    def paint(image, h_hat, mask):
        return dict(zip(OUTPUTS, editor.paint(image, h_hat, mask), strict=True))

    words, size = editor.run.config.data.max_words, editor.size
    return paint, [
        tf.TensorSpec([1, size, size, 3], tf.float32, "image"),
        tf.TensorSpec([1, words, editor.generator.mtfg.channels], tf.float32, "h_hat"),
        tf.TensorSpec([1, words], tf.float32, "mask"),
    ]


def save_function(editor, function: Callable, specs: list, path: Path) -> Path:
    """Write a function of the editor's networks as a SavedModel, which the converter reads.

    Converting the Keras 3 model directly can lose its weights.

    Args:
        editor: the :class:`mim_tf.editor.Editor` whose generator the function uses.
        function, specs: as :func:`text_function` and :func:`image_function` return them.
        path: the SavedModel's folder.

    Returns:
        ``path``.
    """
    import keras

    archive = keras.export.ExportArchive()
    # The variables and not the model: Keras would trace every layer of it with a single tensor as
    # its argument, and some layers take several.
    archive.add_variable_collection("generator", editor.generator.variables)
    archive.add_endpoint("serve", function, input_signature=specs)
    archive.write_out(str(path), verbose=False)
    return path


def convert(path: Path, variant: str, calibration: Callable | None = None) -> bytes:
    """Convert a SavedModel to the content of a LiteRT file.

    Args:
        path: the SavedModel's folder.
        variant: ``float32``; ``float16`` weights; ``dynamic``, 8-bit weights; ``int8``, 8-bit
            weights and activations.
        calibration: for ``int8``, a function that yields example arguments (name -> array), from
            which the ranges of the activations are measured.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(path))
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with silenced():  # it tells its own progress, and what TensorFlow will drop one day
        return converter.convert()
