"""Export a SavedModel for TensorFlow Serving.

``python -m export.saved_model --run RUN --output models/mim`` writes ``models/mim/<version>/``,
the next version, whole or not at all. Text, decoding, resizing, the model and PNG encoding are
inside; whoever loads it needs tensorflow and tensorflow-text, nothing of this project.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags
from mim_tf.storage import replacing_folder

from .exportable import check_exportable

CAPTION = "caption"
IMAGE_BYTES = "image_bytes"
WARMUP = Path("assets.extra", "tf_serving_warmup_requests")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export.saved_model",
        description="Export a SavedModel for TF Serving.",
        epilog="example: python -m export.saved_model --preset birds-64 --output models/mim",
    )
    add_model_flags(parser)
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="the model's base directory"
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)

    from mim_tf.editor import Editor
    from mim_tf.run import Run

    run = Run.chosen(arguments.run, arguments.preset)
    print(export(Editor(run), arguments.output))
    return 0


def export(editor, base: Path) -> Path:
    """Write the next version of a model.

    Args:
        editor: the :class:`mim_tf.editor.Editor` to export.
        base: directory of all versions; its name is the model's.

    Returns:
        ``base/<version>``.

    Raises:
        UserError: the place cannot be written, or the model cannot be exported.
    """
    import tensorflow as tf

    check_exportable(editor.run.config)
    try:
        base.mkdir(parents=True, exist_ok=True)
        version = _next_version(base)
        # TensorFlow Serving overlooks the unfinished folder: its name is no number.
        with replacing_folder(base / str(version), existing="refuse") as partial:
            _write(editor, partial, base.resolve().name)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"--output {base}: cannot be written ({reason}); choose another place"
        ) from None
    return base / str(version)


def _next_version(base: Path) -> int:
    return 1 + max((int(one.name) for one in base.iterdir() if one.name.isdigit()), default=0)


def _write(editor, path: Path, name: str) -> None:
    import keras

    archive = keras.export.ExportArchive()
    # Not the model itself: Keras would trace each of its layers, some of which take no tensor.
    archive.add_variable_collection("generator", editor.generator.variables)
    endpoints, tokenizer = _endpoints(editor)
    archive.track(tokenizer)
    for signature, (function, specs) in endpoints.items():
        archive.add_endpoint(signature, function, input_signature=specs)
    archive.write_out(str(path), verbose=False)
    assets = path / "assets"
    assets.mkdir(exist_ok=True)
    editor.run.vocabulary.save(assets / "vocabulary.json")
    (assets / "model_card.json").write_text(json.dumps(model_card(editor), indent=2) + "\n")
    _write_warmup(editor, path / WARMUP, name)


def _endpoints(editor) -> tuple[dict[str, tuple[Any, list]], Any]:
    """Each signature's function and input specifications, and the tokenizer they share."""
    import tensorflow as tf

    from mim_tf.text import PAD, UNKNOWN

    from . import pictures
    from .tokenizer import GraphTokenizer

    data, size = editor.run.config.data, editor.size
    tokenizer = GraphTokenizer(editor.run.vocabulary, data.max_words)

    files = tf.TensorSpec([None], tf.string, IMAGE_BYTES)
    captions = tf.TensorSpec([None], tf.string, CAPTION)
    bytes_of_any_size = tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
    floats_of_any_size = tf.TensorSpec([None, None, None, 3], tf.float32, "images")
    squares = tf.TensorSpec([None, size, size, 3], tf.float32, "images")
    tokens = tf.TensorSpec([None, data.max_words], tf.int32, "tokens")
    mask = tf.TensorSpec([None, data.max_words], tf.float32, "mask")
    h_hat = tf.TensorSpec(
        [None, data.max_words, editor.generator.mtfg.channels], tf.float32, "h_hat"
    )

    # Traced once and called by every signature: a loader's memory grows with each copy.
    def shared(*specs):
        return tf.function(input_signature=specs)

    @shared(captions)
    def tokens_of(caption):
        tokens = tokenizer(caption)
        pictures.refuse(tokens[:, 0] == PAD, "the caption has no words; say what to change")
        pictures.refuse(
            tf.reduce_all(tokens <= UNKNOWN, axis=1),
            "no word of the caption was in the training captions",
        )
        return tokens

    @shared(files)
    def squares_of_files(image_bytes):
        return pictures.squares_of_files(image_bytes, size)

    @shared(tokens)
    def read(tokens):
        words = editor.generator.read(tokens, training=False)
        return {"h_hat": words["h_hat"], "mask": words["mask"]}

    @shared(squares, h_hat, mask)
    def paint(images, h_hat, mask):
        edited, alpha, coarse, _ = editor.paint(images, h_hat, mask)
        return {"coarse": coarse, "fine": edited, "alpha": alpha}

    def same_count(one, other):
        tf.debugging.assert_equal(
            tf.shape(one)[0], tf.shape(other)[0], "give as many pictures as captions"
        )

    def edit(images, tokens):
        return paint(images, **read(tokens))

    def edit_files(image_bytes, caption):
        same_count(image_bytes, caption)
        tokens = tokens_of(caption)
        squares = squares_of_files(image_bytes)
        return squares, edit(squares, tokens)

    def serving_default(image_bytes, caption):
        _, edited = edit_files(image_bytes, caption)
        return {IMAGE_BYTES: pictures.encode_png(edited["fine"])}

    def edit_keep_size(image_bytes, caption):
        squares, edited = edit_files(image_bytes, caption)
        fine, alpha = edited["fine"], edited["alpha"]
        return {IMAGE_BYTES: pictures.composites(image_bytes, squares, fine, alpha)}

    def edit_tensors(images, caption):
        same_count(images, caption)
        return edit(pictures.squares(images, size), tokens_of(caption))

    def edit_tokens(images, tokens):
        same_count(images, tokens)
        pictures.refuse(tf.reduce_all(tokens == PAD, axis=1), "the tokens hold no word")
        return edit(images, tokens)

    def encode_text(caption):
        return read(tokens_of(caption))

    def edit_texture(images, h_hat, mask):
        same_count(images, h_hat)
        pictures.refuse(tf.reduce_sum(mask, axis=1) == 0, "the mask keeps no word")
        return paint(images, h_hat, mask)

    return {
        "serving_default": (serving_default, [files, captions]),
        "edit_keep_size": (edit_keep_size, [files, captions]),
        "edit_tensors": (edit_tensors, [bytes_of_any_size, captions]),
        "edit_floats": (edit_tensors, [floats_of_any_size, captions]),
        "edit_tokens": (edit_tokens, [squares, tokens]),
        "encode_text": (encode_text, [captions]),
        "edit_texture": (edit_texture, [squares, h_hat, mask]),
    }, tokenizer


def model_card(editor) -> dict[str, Any]:
    """What a model was trained on, its sizes, ranges and (where the run has them) metrics."""
    import tensorflow as tf

    from mim_tf.pictures.files import MAX_PIXELS

    run = editor.run
    metrics = run.path / "evaluation" / "metrics.json"  # where mim_tf.report looks, too
    return {
        "name": "MIM-Net, text-guided image manipulation with memory",
        "trained_on": run.config.data.model_dump(mode="json"),
        "model": run.config.model.model_dump(mode="json"),
        "parameters": editor.generator.count_params(),
        "sizes": {"coarse": run.config.model.coarse_size, "fine": editor.size},
        "input": f"the largest centred square of the picture, resized to {editor.size} pixels",
        "max_pixels": MAX_PIXELS,
        "max_words": run.config.data.max_words,
        "vocabulary": len(run.vocabulary.words),
        "ranges": {"images": [-1, 1], "coarse": [-1, 1], "fine": [-1, 1], "alpha": [0, 1]},
        "metrics": json.loads(metrics.read_text("utf-8")) if metrics.is_file() else None,
        "tensorflow": tf.__version__,
    }


def example_inputs(editor, count: int) -> dict[str, list[bytes]]:
    """Inputs of ``serving_default``: a grey picture and a caption of known words, repeated."""
    import numpy as np

    from mim_tf.pictures import files

    picture = files.encode_png(np.full((editor.size, editor.size * 3 // 2, 3), 128, np.uint8))
    caption = " ".join(editor.run.vocabulary.words[:8]).encode()
    return {IMAGE_BYTES: [picture] * count, CAPTION: [caption] * count}


def _write_warmup(editor, file: Path, name: str) -> None:
    """Requests that TensorFlow Serving sends itself before it calls a version available."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

    from .serving.messages import predict_request

    file.parent.mkdir(parents=True)
    one = example_inputs(editor, 1)
    requests = [
        ("serving_default", one),
        ("serving_default", example_inputs(editor, 8)),
        ("edit_keep_size", one),
        ("encode_text", {CAPTION: one[CAPTION]}),
    ]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests:
            request = predict_request(name, signature, inputs)
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString())


if __name__ == "__main__":
    sys.exit(main())
