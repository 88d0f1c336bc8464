"""Export a SavedModel for TensorFlow Serving.

``python -m export.saved_model --run RUN --output models/mim`` writes the next version of the model,
``models/mim/<version>/``, which appears whole or not at all. It holds the tokenizer, decoding,
resizing, the networks and PNG encoding: whoever loads it needs tensorflow and tensorflow-text, and
nothing of this project.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mim_tf.checksums import sha256_of, write_sums_of_all
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser
from mim_tf.places import WEIGHTS
from mim_tf.storage import replacing_folder

from .exportable import check_exportable

WARMUP = Path("assets.extra", "tf_serving_warmup_requests")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "export.saved_model",
        "Export a SavedModel for TensorFlow Serving.",
        "--preset birds-64 --output models/mim",
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

    # Needed last, but its absence is told before anything is written.
    importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
    run = Run.chosen(arguments.run, arguments.preset)
    print(export(Editor(run), arguments.output))
    return 0


def export(editor, base: Path) -> Path:
    """Write the next version of a model.

    Args:
        editor: the :class:`mim_tf.editor.Editor` to export.
        base: the folder of all versions; its name is the model's name.

    Returns:
        ``base/<version>``.

    Raises:
        UserError: the folder cannot be written, or the model cannot be exported.
    """
    import tensorflow as tf

    check_exportable(editor.run.config)
    try:
        base.mkdir(parents=True, exist_ok=True)
        version = _next_version(base)
        # TensorFlow Serving overlooks the unfinished folder: its name is no number.
        with replacing_folder(base / str(version), existing="refuse") as partial:
            _write(editor, partial, base.resolve().name)
            write_sums_of_all(partial)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"--output {base}: cannot be written ({reason}); choose another place"
        ) from None
    return base / str(version)


def _next_version(base: Path) -> int:
    """The number after the highest version in a folder."""
    versions = (int(path.name) for path in base.iterdir() if re.fullmatch("[0-9]+", path.name))
    return 1 + max(versions, default=0)


def _write(editor, path: Path, name: str) -> None:
    """Write a version to a folder that does not exist yet; ``name`` is the model's name."""
    import keras

    from .signatures import Signatures

    archive = keras.export.ExportArchive()
    # The variables and not the model: Keras would trace every layer of it with a single tensor as
    # its argument, and some layers take several.
    archive.add_variable_collection("generator", editor.generator.variables)
    signatures = Signatures(editor)
    archive.track(signatures.tokenizer)
    for signature, (function, specs) in signatures.endpoints().items():
        archive.add_endpoint(signature, function, input_signature=specs)
    archive.write_out(str(path), verbose=False)
    assets = path / "assets"
    assets.mkdir(exist_ok=True)
    editor.run.vocabulary.save(assets / "vocabulary.json")
    (assets / "model_card.json").write_text(json.dumps(model_card(editor), indent=2) + "\n")
    _write_warmup(editor, path / WARMUP, name)


def model_card(editor) -> dict[str, Any]:
    """A model's training data, sizes, ranges and, where the run was evaluated, metrics."""
    import tensorflow as tf

    from mim_tf.pictures.files import MAX_PIXELS

    run = editor.run
    return {
        "name": "MIM-Net, text-guided image manipulation with memory",
        "trained_on": run.config.data.model_dump(mode="json"),
        "model": run.config.model.model_dump(mode="json"),
        "deviations": run.config.deviations.model_dump(mode="json"),
        "parameters": editor.generator.count_params(),
        "sizes": {"coarse": run.config.model.coarse_size, "fine": editor.size},
        "input": f"the largest centred square of the picture, resized to {editor.size} pixels",
        "max_pixels": MAX_PIXELS,
        "max_words": run.config.data.max_words,
        "vocabulary": len(run.vocabulary.words),
        "deciding_words": editor.backend.deciding_words,
        # Tells whether LiteRT files are of the same model.
        "weights_sha256": sha256_of(run.path / WEIGHTS),
        "ranges": {"images": [-1, 1], "coarse": [-1, 1], "fine": [-1, 1], "alpha": [0, 1]},
        "metrics": _read_metrics(editor),
        "tensorflow": tf.__version__,
    }


def _read_metrics(editor) -> dict[str, Any] | None:
    """What ``mim_tf.evaluate`` found of these very weights, and on what; None where nobody did."""
    from mim_tf.evaluation.folders import read_evaluation
    from mim_tf.evaluators.folder import fingerprint

    folder = editor.run.path / "evaluation"
    if not (folder / "metrics.json").is_file():
        return None
    try:
        numbers, manifest = read_evaluation(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: cannot be read ({error}); evaluate the run again") from None
    if manifest["model"].get("weights_sha256") != fingerprint(editor.generator):
        print(f"{folder} is of other weights: the model card has no metrics", file=sys.stderr)
        return None
    on = {name: manifest.get(name) for name in ("data", "split", "count", "evaluators")}
    return {**numbers, "measured_on": on}


def example_inputs(editor, count: int) -> dict[str, list[bytes]]:
    """Arguments of ``serving_default``: ``count`` grey pictures, and a caption of known words."""
    import numpy as np

    from mim_tf.pictures import files

    from .signatures import CAPTION, IMAGE_BYTES

    picture = files.encode_png(np.full((editor.size, editor.size * 3 // 2, 3), 128, np.uint8))
    caption = " ".join(editor.run.vocabulary.words[:8]).encode()
    return {IMAGE_BYTES: [picture] * count, CAPTION: [caption] * count}


def _write_warmup(editor, file: Path, name: str) -> None:
    """Write requests with which TensorFlow Serving warms up a version before it is available."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

    from .serving.messages import predict_request
    from .signatures import CAPTION, EDIT

    file.parent.mkdir(parents=True)
    single = example_inputs(editor, 1)
    requests: list[tuple[str, Mapping[str, Any]]] = [
        ("serving_default", single),
        ("serving_default", example_inputs(editor, 8)),
        ("edit_keep_size", single),
        (EDIT, {**single, "strength": [1.0], "anyway": [False], "keep_size": [True]}),
        ("check_caption", {CAPTION: single[CAPTION]}),
        ("encode_text", {CAPTION: single[CAPTION]}),
    ]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests:
            request = predict_request(name, signature, inputs)
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString())


if __name__ == "__main__":
    sys.exit(main())
