"""Export LiteRT files for phones: the text on the CPU, the picture on the GPU.

``python -m export.tflite --run RUN --output models/mobile`` writes ``text.tflite`` (token ids to
``h^``, which an app may keep, and to the attention of Eq. 2) and ``image.tflite`` (picture, ``h^``
and word mask to the edit) in float32 and smaller, with ``vocabulary.json``, ``metadata.json`` and
``memories.bin``, the table of Eq. 1. ``litert_edit.py`` shows an app's developer how to use them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.exportable import check_exportable
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags

VARIANTS = ("float32", "float16", "dynamic", "int8")
METADATA, MEMORIES = "metadata.json", "memories.bin"
_CALIBRATION, _MEASURED = 64, 8  # training pictures
# Largest error of any pixel, of the range: more means that the conversion is broken.
_LIMITS = {"float32": 1e-4, "float16": 2e-2}
# Mean error, of the range, up to which a quantised file is worth shipping.
_WORTHWHILE = 2e-2


@dataclass(frozen=True)
class Examples:
    """Pictures and captions to calibrate and to measure with.

    Attributes:
        squares: [K, F, F, 3] in [-1, 1].
        tokens: int32 [K, T].
        of_training: False for noise, where the training pictures are not at hand.
    """

    squares: np.ndarray
    tokens: np.ndarray
    of_training: bool


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export.tflite", description="Export LiteRT files for phones."
    )
    add_model_flags(parser)
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="a folder")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)

    from mim_tf.editor import Editor
    from mim_tf.run import Run

    run = Run.chosen(arguments.run, arguments.preset)
    for name, figures in export(Editor(run), arguments.output).items():
        error = figures["error"]
        largest = ", ".join(f"{what} {one:.1e}" for what, one in error["by_output"].items())
        print(
            f"{arguments.output / name}: {figures['bytes']:,} bytes, mean error {error['mean']:.1e}"
            f" of the range, largest: {largest}"
        )
    return 0


def export(editor, output: Path) -> dict[str, Any]:
    """Write all files into a folder, whole or not at all.

    Args:
        editor: the :class:`mim_tf.editor.Editor` to export.
        output: replaced if it holds an earlier export.

    Returns:
        ``files`` of the metadata: name -> size, inputs, outputs, error.

    Raises:
        UserError: the folder holds something else or cannot be written, or the picture's network
            cannot run on the GPU (the message names the layer).
    """
    check_exportable(editor.run.config)
    if output.exists() and not (output / METADATA).is_file() and (
        not output.is_dir() or any(output.iterdir())
    ):  # fmt: skip
        raise UserError(f"--output {output} is not an earlier export; name an empty folder")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".partial.") as partial:
            whole = Path(partial) / "export"
            whole.mkdir()
            files = _write(editor, whole)
            if output.exists():
                output.rename(Path(partial) / "earlier")
            whole.rename(output)
    except OSError as error:
        raise UserError(
            f"--output {output}: cannot be written ({error.strerror or error})"
        ) from None
    return files


def _write(editor, folder: Path) -> dict[str, Any]:
    examples = _examples(editor)
    measured = examples.squares[-_MEASURED:], examples.tokens[-_MEASURED:]
    texture = _texture(editor, examples.tokens)
    files: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as graphs:
        text = saved(editor, *text_function(editor), Path(graphs) / "text")
        image = saved(editor, *image_function(editor), Path(graphs) / "image")
        expected = _expected(editor, *measured)

        def calibration():
            for index in range(len(examples.squares) - _MEASURED):
                yield {
                    "image": examples.squares[index : index + 1],
                    "h_hat": texture["h_hat"][index : index + 1],
                    "mask": texture["mask"][index : index + 1],
                }

        for variant in VARIANTS:
            calibrated = examples.of_training and len(examples.squares) > _MEASURED
            if variant == "int8" and not calibrated:
                print(f"no int8: it needs more than {_MEASURED} training pictures", file=sys.stderr)
                continue
            content = {"image": convert(image, variant, calibration)}
            _check_gpu(content["image"])
            if variant != "int8":  # the text is small, and runs on the CPU
                content["text"] = convert(text, variant)
            for kind, data in content.items():
                wanted = {name: expected[name] for name in _OUTPUTS[kind]}
                error = measure(data, _inputs(kind, *measured, texture), wanted)
                if error["largest"] > _LIMITS.get(variant, float("inf")):
                    raise UserError(
                        f"{kind} in {variant} is off by {error['largest']:.1e} of the range; "
                        "the conversion is broken"
                    )
                if variant not in _LIMITS and error["mean"] > _WORTHWHILE:
                    print(
                        f"no {kind} in {variant}: mean error {error['mean']:.1e} of the range "
                        f"(largest {error['largest']:.1e})",
                        file=sys.stderr,
                    )
                    continue
                name = file_name(kind, variant)
                (folder / name).write_bytes(data)
                files[name] = {"bytes": len(data), **signature(data), "error": error}
    editor.run.vocabulary.save(folder / "vocabulary.json")
    memory = editor.generator.mtfg.memory
    if memory is not None:
        (folder / MEMORIES).write_bytes(np.asarray(memory, "<f4").tobytes())
    (folder / METADATA).write_text(json.dumps(_metadata(editor, files), indent=2) + "\n")
    return files


_OUTPUTS = {"text": ("h_hat", "mask", "attention"), "image": ("coarse", "fine", "alpha")}
# Width of each output's range; h^ has none of its own and is measured in its own spread.
_WIDTH = {"coarse": 2.0, "fine": 2.0, "alpha": 1.0, "mask": 1.0, "attention": 1.0}


def file_name(kind: str, variant: str) -> str:
    """``image.tflite`` in float32, ``image_float16.tflite``, ..."""
    return f"{kind}.tflite" if variant == "float32" else f"{kind}_{variant}.tflite"


def text_function(editor) -> tuple[Callable, list]:
    import tensorflow as tf

    def read(tokens):
        return editor.generator.read(tokens, training=False)

    return read, [tf.TensorSpec([1, editor.run.config.data.max_words], tf.int32, "tokens")]


def image_function(editor) -> tuple[Callable, list]:
    import tensorflow as tf

    def paint(image, h_hat, mask):
        edited, alpha, coarse, _ = editor.paint(image, h_hat, mask)
        return {"coarse": coarse, "fine": edited, "alpha": alpha}

    words, size = editor.run.config.data.max_words, editor.size
    return paint, [
        tf.TensorSpec([1, size, size, 3], tf.float32, "image"),
        tf.TensorSpec([1, words, editor.generator.mtfg.channels], tf.float32, "h_hat"),
        tf.TensorSpec([1, words], tf.float32, "mask"),
    ]


def saved(editor, function: Callable, specs: list, path: Path) -> Path:
    """A SavedModel of one function; converting a Keras 3 model itself can lose its weights."""
    import keras

    archive = keras.export.ExportArchive()
    # Not the model itself: Keras would trace each of its layers, some of which take no tensor.
    archive.add_variable_collection("generator", editor.generator.variables)
    archive.add_endpoint("serve", function, input_signature=specs)
    archive.write_out(str(path), verbose=False)
    return path


def convert(path: Path, variant: str, calibration: Callable | None = None) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(path))
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter.convert()


def _check_gpu(model: bytes) -> None:
    from export.gpu_operators import unsupported

    offences = unsupported(model)
    if offences:
        more = f" (and {len(offences) - 1} more)" if len(offences) > 1 else ""
        raise UserError(f"image.tflite cannot run on a phone's GPU: {offences[0]}{more}")


def _examples(editor) -> Examples:
    """Training pictures, each with the caption of the next: what an edit looks like."""
    from mim_tf.data.sources import load_source
    from mim_tf.pictures import pixels

    run, size = editor.run, editor.size
    count = _CALIBRATION + _MEASURED
    data = run.config.data
    if data.source == "birds":  # whose captions are drawn one by one
        data = data.model_copy(update={"count": count, "captions": 1, "records": None})
    try:
        source = load_source(run.config.model_copy(update={"data": data}), "train")
    except UserError as error:
        print(f"measuring on noise: {error}", file=sys.stderr)
        rng = np.random.default_rng(0)
        squares = rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)
        words = rng.choice(run.vocabulary.words, (count, 8))
        captions = [" ".join(one) for one in words]
        return Examples(squares, editor.tokens(captions), False)
    count = min(count, len(source))
    pictures = np.stack([source.picture(index, size) for index in range(count)])
    captions = [source.captions[(index + 1) % count][0] for index in range(count)]
    return Examples(pixels.to_signed(pictures), editor.tokens(captions), True)


def _texture(editor, tokens: np.ndarray) -> dict[str, np.ndarray]:
    words = editor.generator.read(tokens, training=False)
    return {name: np.array(words[name]) for name in _OUTPUTS["text"]}


def _expected(editor, squares: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    edited, alpha, coarse, _ = editor.graph(squares, tokens)
    return {
        "coarse": np.array(coarse),
        "fine": np.array(edited),
        "alpha": np.array(alpha),
        **_texture(editor, tokens),
    }


def _inputs(kind: str, squares, tokens, texture) -> dict[str, np.ndarray]:
    if kind == "text":
        return {"tokens": tokens}
    measured = {name: texture[name][-_MEASURED:] for name in ("h_hat", "mask")}
    return {"image": squares, **measured}


def measure(
    model: bytes, inputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> dict[str, Any]:
    """How far a file's outputs are from the expected ones, as parts of each output's range.

    Args:
        model: the file's content, batch 1.
        inputs, expected: arrays with a leading dimension of examples.

    Returns:
        ``mean`` and ``largest`` absolute error of the worst output, and the largest of each
        ``by_output``.
    """
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=model).get_signature_runner()
    count = len(next(iter(inputs.values())))
    rows = [
        runner(**{name: one[index : index + 1] for name, one in inputs.items()})
        for index in range(count)
    ]
    means: dict[str, float] = {}
    largest: dict[str, float] = {}
    for name, wanted in expected.items():
        width = _WIDTH.get(name) or float(np.ptp(wanted)) or 1.0
        difference = np.abs(np.concatenate([row[name] for row in rows]) - wanted) / width
        means[name], largest[name] = float(difference.mean()), float(difference.max())
    return {
        "mean": max(means.values()),
        "largest": max(largest.values()),
        "by_output": largest,
    }


def signature(model: bytes) -> dict[str, Any]:
    """Names, shapes and types of a file's inputs and outputs."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=model).get_signature_runner()

    def rows(details):
        return {
            name: {"shape": [int(n) for n in one["shape"]], "type": np.dtype(one["dtype"]).name}
            for name, one in sorted(details.items())
        }

    return {
        "inputs": rows(runner.get_input_details()),
        "outputs": rows(runner.get_output_details()),
    }


def _metadata(editor, files: dict[str, Any]) -> dict[str, Any]:
    config = editor.run.config
    memory = editor.generator.mtfg.memory
    known = set(editor.run.vocabulary.words)
    return {
        "files": files,
        "size": editor.size,
        "coarse_size": config.model.coarse_size,
        "max_words": config.data.max_words,
        "vocabulary": "vocabulary.json",
        # What a caption says to change to; for the messages of mim_tf.captions.
        "deciding_words": [word for word in config.data.swap_words if word in known],
        # The table of Eq. 1, little-endian float32: which texture each memory holds.
        "memories": None
        if memory is None
        else {"file": MEMORIES, "shape": [int(length) for length in memory.shape]},
        "ranges": {
            "image": [-1, 1],
            "coarse": [-1, 1],
            "fine": [-1, 1],
            "alpha": [0, 1],
            "mask": [0, 1],
            "attention": [0, 1],
        },
        "preprocessing": {
            "picture": "upright, RGB over white, largest centred square, resized bilinearly with "
            "antialiasing to size x size, x / 127.5 - 1",
            "caption": "lower case, runs of letters, digits and _ are words; ids from the "
            "vocabulary: its first word is 2, an unknown word 1; filled up with 0 to max_words",
            "result": "(fine + 1) * 127.5",
        },
        "runs_on": {"text": "CPU", "image": "GPU delegate or CPU"},
    }


if __name__ == "__main__":
    sys.exit(main())
