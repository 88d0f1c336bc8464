"""Export LiteRT files for phones: the text encoder for the CPU, the rest for the GPU.

``python -m export.tflite --run RUN --output models/mobile`` writes ``text.tflite`` (token ids to
``h^``, which an app can keep for further pictures, and to Eq. 2's attention) and ``image.tflite``
(picture, ``h^`` and word mask to the edit), each in float32 and in smaller variants, and beside
them ``vocabulary.json``, ``metadata.json`` and ``memories.bin``, the table of Eq. 1. `mim_tf.load`
edits with them; ``mim_tf/backends/litert.py`` shows how an app uses them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.backends.litert import METADATA, OUTPUTS, file_name
from mim_tf.checksums import check_replaceable, sha256_of, write_sums_of_all
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser
from mim_tf.places import WEIGHTS
from mim_tf.progress import Progress
from mim_tf.storage import replacing_folder

from .exportable import check_exportable
from .litert_accuracy import measure, signature
from .litert_conversion import convert, image_function, save_function, text_function

VARIANTS = ("float32", "float16", "dynamic", "int8")
MEMORIES = "memories.bin"
_OUTPUTS = {"text": ("h_hat", "mask", "attention"), "image": OUTPUTS}
_CALIBRATION, _MEASURED = 64, 8  # number of training pictures for each
# Above this largest error, relative to the output's range, the conversion must be broken.
_LIMITS = {"float32": 1e-4, "float16": 2e-2}
# Up to this mean error, relative to the output's range, a quantised file is good enough to be used.
_USABLE_ERROR = 2e-2


@dataclass(frozen=True)
class Examples:
    """K pictures and captions; the last `_MEASURED` measure errors, the others calibrate.

    Attributes:
        squares: [K, S, S, 3] in [-1, 1].
        tokens: int32 [K, T].
        of_training: whether they are training pictures; False for noise, which serves where the
            training pictures are not there.
    """

    squares: np.ndarray
    tokens: np.ndarray
    of_training: bool


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "export.tflite",
        "Export LiteRT files for phones, browsers, and edits without TensorFlow.",
        "--preset birds-64 --output models/mobile",
    )
    add_model_flags(parser)
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="a folder")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=VARIANTS,
        help="which precisions to write (default: all)",
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)

    from mim_tf.editor import Editor
    from mim_tf.run import Run

    run = Run.chosen(arguments.run, arguments.preset)
    for name, figures in export(Editor(run), arguments.output, arguments.variants).items():
        error = figures["error"]
        largest = ", ".join(f"{what} {value:.1e}" for what, value in error["by_output"].items())
        print(
            f"{arguments.output / name}: {figures['bytes']:,} bytes, mean error {error['mean']:.1e}"
            f" of the range, largest: {largest}"
        )
    return 0


def export(editor, output: Path, variants: Sequence[str] = VARIANTS) -> dict[str, Any]:
    """Write all files into a folder; it appears whole or not at all.

    Args:
        editor: the :class:`mim_tf.editor.Editor` to export.
        output: replaced if it holds an earlier export.
        variants: some of VARIANTS.

    Returns:
        File name -> size, inputs, outputs and error, as ``files`` in the metadata.

    Raises:
        UserError: the variants hold no exact one, the folder holds something that is not an earlier
            export, or cannot be written, or the image's network cannot run on a phone's GPU (the
            message names the layer).
    """
    if not {"float32", "float16"} & set(variants):
        raise UserError(
            f"--variants {' '.join(variants)}: add float16 or float32, which mim edit, the page "
            "and the phone samples run"
        )
    check_exportable(editor.run.config)
    check_replaceable(output, METADATA, "--output")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(output) as folder:
            files = _write(editor, folder, variants)
            write_sums_of_all(folder)
    except OSError as error:
        raise UserError(
            f"--output {output}: cannot be written ({error.strerror or error})"
        ) from None
    return files


def _write(editor, folder: Path, variants: Sequence[str]) -> dict[str, Any]:
    """Write the files of all variants, the vocabulary and the metadata; returns ``files``."""
    examples = _examples(editor)
    words = _word_features(editor, examples.tokens)
    measured = examples.squares[-_MEASURED:], examples.tokens[-_MEASURED:]
    inputs = {
        "text": {"tokens": measured[1]},
        "image": {
            "image": measured[0],
            **{name: words[name][-_MEASURED:] for name in ("h_hat", "mask")},
        },
    }
    expected = _expected(editor, *measured)
    files: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as graphs:
        text = save_function(editor, *text_function(editor), Path(graphs) / "text")
        image = save_function(editor, *image_function(editor), Path(graphs) / "image")

        def calibration():
            for index in range(len(examples.squares) - _MEASURED):
                yield {
                    "image": examples.squares[index : index + 1],
                    "h_hat": words["h_hat"][index : index + 1],
                    "mask": words["mask"][index : index + 1],
                }

        progress = Progress(variants, "converting", "variant")
        for variant in progress:
            can_calibrate = examples.of_training and len(examples.squares) > _MEASURED
            if variant == "int8" and not can_calibrate:
                needed = f"no int8: it needs more than {_MEASURED} training pictures"
                progress.tell(needed, sys.stderr)
                continue
            models = {"image": convert(image, variant, calibration)}
            _check_gpu(models["image"])
            if variant != "int8":  # the text encoder is small, and runs on the CPU
                models["text"] = convert(text, variant)
            for kind, model in models.items():
                error = measure(
                    model, inputs[kind], {output: expected[output] for output in _OUTPUTS[kind]}
                )
                if not _is_usable(kind, variant, error):
                    progress.tell(_refusal(kind, variant, error), sys.stderr)
                    continue
                name = file_name(kind, variant)
                (folder / name).write_bytes(model)
                files[name] = {"bytes": len(model), **signature(model), "error": error}
    editor.run.vocabulary.save(folder / "vocabulary.json")
    memory = editor.generator.mtfg.memory
    if memory is not None:
        (folder / MEMORIES).write_bytes(np.asarray(memory, "<f4").tobytes())
    (folder / METADATA).write_text(json.dumps(_metadata(editor, files), indent=2) + "\n")
    return files


def _is_usable(kind: str, variant: str, error: dict[str, Any]) -> bool:
    """Whether a file is exact enough to be written.

    Raises:
        UserError: the error is larger than the variant's precision explains.
    """
    if error["largest"] > _LIMITS.get(variant, float("inf")):
        raise UserError(
            f"{kind} in {variant} is off by {error['largest']:.1e} of the range; "
            "the conversion is broken"
        )
    return variant in _LIMITS or error["mean"] <= _USABLE_ERROR


def _refusal(kind: str, variant: str, error: dict[str, Any]) -> str:
    return (
        f"no {kind} in {variant}: mean error {error['mean']:.1e} of the range "
        f"(largest {error['largest']:.1e})"
    )


def _check_gpu(model: bytes) -> None:
    """Raise UserError where an operator of a LiteRT file does not run on the GPU delegate."""
    from .gpu_operators import unsupported

    offences = unsupported(model)
    if offences:
        more = f" (and {len(offences) - 1} more)" if len(offences) > 1 else ""
        raise UserError(f"image.tflite cannot run on a phone's GPU: {offences[0]}{more}")


def _examples(editor) -> Examples:
    """Training pictures, each with the caption of the next picture, as in an edit."""
    from mim_tf.data.sources import load_source
    from mim_tf.pictures import pixels

    run, size = editor.run, editor.size
    count = _CALIBRATION + _MEASURED
    try:
        source = load_source(run.config, "train")
    except UserError as error:
        print(f"measuring on noise: {error}", file=sys.stderr)
        rng = np.random.default_rng(0)
        squares = rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)
        words = rng.choice(run.vocabulary.words, (count, 8))
        captions = [" ".join(row) for row in words]
        return Examples(squares, editor.tokens(captions), of_training=False)
    count = min(count, len(source))
    pictures = np.stack([source.picture(index, size) for index in range(count)])
    captions = [source.captions[(index + 1) % count][0] for index in range(count)]
    return Examples(pixels.to_signed(pictures), editor.tokens(captions), of_training=True)


def _word_features(editor, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """``h_hat`` [K, T, l], ``mask`` [K, T] and ``attention`` [K, T, n] of captions."""
    words = editor.generator.encode_text(tokens, training=False)
    return {name: np.array(words[name]) for name in _OUTPUTS["text"]}


def _expected(editor, squares: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs of the two files, as the Editor computes them."""
    edit = zip(OUTPUTS, editor.backend.graph(squares, tokens), strict=True)
    return {
        **{name: np.array(value) for name, value in edit},
        **_word_features(editor, tokens),
    }


def _metadata(editor, files: dict[str, Any]) -> dict[str, Any]:
    """What an app must know: files, sizes, ranges, and how to prepare a picture and a caption."""
    config = editor.run.config
    memory = editor.generator.mtfg.memory
    return {
        "files": files,
        # Tells whether the files still belong to the run that they lie in.
        "weights_sha256": sha256_of(editor.run.path / WEIGHTS),
        "size": editor.size,
        "coarse_size": config.model.coarse_size,
        "max_words": config.data.max_words,
        "vocabulary": "vocabulary.json",
        # What a caption says to change to; for the messages of mim_tf.captions.
        "deciding_words": editor.backend.deciding_words,
        # The table of Eq. 1, little-endian float32: which texture each memory holds.
        "memories": None
        if memory is None
        else {"file": MEMORIES, "shape": [int(length) for length in memory.shape]},
        "ranges": {
            "image": [-1, 1],
            "coarse": [-1, 1],
            "fine": [-1, 1],
            "alpha": [0, 1],
            "boundary": [0, 1],
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
