"""The jobs of the inference benchmark; each runs in a process of its own.

A job is a dictionary that JSON can hold. It has ``do`` (the kind of job), ``folder`` (a temporary
folder that all jobs share), ``seconds`` (the measuring time) and ``run`` (the run's folder), and
depending on its kind ``config``, ``name``, ``forms``, ``form`` and ``batch``.
"""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import graph_cost
from mim_tf.config_files import load_config

THREADS = 2
CAPTION_WORDS = 12
_PRODUCT = 2048  # side of the matrices of the reference product
_CONVOLUTION = (8, 64, 256)  # batch, side and channels of the reference convolution
_WARM_UP = 3  # edits before the measurement


def work(job: dict[str, Any]) -> Any:
    """Do a job and return its result, which JSON can hold."""
    if job["do"] == "preset":
        from mim_tf.run import Run

        return str(Run.named(job["name"]).path)
    if job["do"] == "random":
        return _make_random(job)
    if job["do"] == "export":
        return _export(job)
    return _measure(job)


def _use_two_threads() -> None:
    """Limit TensorFlow to `THREADS`; only possible before its first operation."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != THREADS:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _make_random(job: dict[str, Any]) -> None:
    """Make a run with random weights and a vocabulary of 5,000 words."""
    from mim_tf.models.generator import make_generator
    from mim_tf.run import Run
    from mim_tf.text import Vocabulary

    config = load_config(*job["config"], overrides=["model.encoder_weights=none"])
    vocabulary = Vocabulary([f"word{index}" for index in range(5000)])
    run = Run.create(Path(job["run"]), config, vocabulary)
    run.save_generator(make_generator(config, len(vocabulary)))


def _editor(job: dict[str, Any]):
    from mim_tf.editor import Editor
    from mim_tf.run import Run

    return Editor(Run.open(Path(job["run"])))


def _export(job: dict[str, Any]) -> dict[str, Any]:
    """Write the files of all forms; returns the model's sizes and its multiply-adds by part."""
    from export import saved_model, tflite

    editor = _editor(job)
    folder = Path(job["folder"])
    counted = graph_cost.multiply_adds(editor)
    if "saved_model" in job["forms"]:
        saved_model.export(editor, folder / "mim")
    litert_forms = [form for form in job["forms"] if form in tflite.VARIANTS]
    if litert_forms:
        _export_litert(editor, folder, litert_forms)
    return {
        "size": editor.size,
        "words": editor.run.config.data.max_words,
        "parameters": editor.generator.count_params(),
        "multiply_adds": counted,
    }


def _export_litert(editor, folder: Path, forms: list[str]) -> None:
    """Write ``text.tflite``, and the image's file in every form."""
    from export.litert_conversion import convert, image_function, save_function, text_function

    image = save_function(editor, *image_function(editor), folder / "image")
    text = save_function(editor, *text_function(editor), folder / "text")
    (folder / "text.tflite").write_bytes(convert(text, "float32"))
    inputs = _inputs(editor.size, editor.run.config.data.max_words, 4)

    def calibration():
        words = editor.generator.encode_text(inputs["tokens"], training=False)
        for index in range(4):
            yield {
                "image": inputs["images"][index : index + 1],
                "h_hat": np.array(words["h_hat"][index : index + 1]),
                "mask": np.array(words["mask"][index : index + 1]),
            }

    for form in forms:
        (folder / f"{form}.tflite").write_bytes(convert(image, form, calibration))


def _inputs(size: int, words: int, batch: int) -> dict[str, np.ndarray]:
    """Pictures of noise, and captions of ids that are words in every vocabulary."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, 20, (batch, words)).astype(np.int32)
    tokens[:, CAPTION_WORDS:] = 0
    images = rng.uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    return {"images": images, "tokens": tokens}


def _measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure a form at a batch size; returns a row of the table.

    The reference operations run in turns with the edit, so that all see the same load of the
    machine by other processes.
    """
    form, batch = job["form"], job["batch"]
    edit = {"keras": _keras, "saved_model": _saved_model}.get(form, _litert)(job)
    for _ in range(_WARM_UP):
        edit()
    memory = _peak_memory()  # before the reference operations, which do not belong to the edit
    convolution, product = _reference_operations()
    alone = graph_cost.convolutions_alone(_editor(job), batch) if form == "saved_model" else None
    for call in (convolution, product, alone or product):
        call()
    times: dict[str, list[float]] = defaultdict(list)
    end = time.monotonic() + job["seconds"]
    while time.monotonic() < end or len(times["edit"]) < 5:
        times["edit"].append(_time(edit))
        times["convolution"].append(_time(convolution))
        times["product"].append(_time(product))
        if alone:
            times["alone"].append(_time(alone))
    median = {name: float(np.median(seconds)) for name, seconds in times.items()}
    count, side, channels = _CONVOLUTION
    return {
        "form": form,
        "batch": batch,
        "seconds": median["edit"] / batch,
        "repeats": len(times["edit"]),
        "memory": memory,
        "convolution": 2 * 9 * count * side**2 * channels**2 / median["convolution"] / 1e9,
        "product": 2 * _PRODUCT**3 / median["product"] / 1e9,
        "alone": median["alone"] / median["edit"] if alone else None,
    }


def _time(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak_memory() -> int:
    """The largest memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _keras(job: dict[str, Any]) -> Callable[[], Any]:
    """An edit in this process, as :class:`mim_tf.editor.Editor` does it."""
    import tensorflow as tf

    _use_two_threads()
    editor = _editor(job)
    inputs = _inputs(editor.size, editor.run.config.data.max_words, job["batch"])
    call = tf.function(editor.graph)
    tensors = tf.constant(inputs["images"]), tf.constant(inputs["tokens"])
    return lambda: call(*tensors)[0].numpy()


def _saved_model(job: dict[str, Any]) -> Callable[[], Any]:
    """An edit with the exported SavedModel."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 (its operations are in the graph)

    _use_two_threads()
    model = tf.saved_model.load(str(Path(job["folder"]) / "mim" / "1"))
    edit = model.signatures["edit_tokens"]
    specs = edit.structured_input_signature[1]
    size, words = specs["images"].shape[1], specs["tokens"].shape[1]
    arrays = _inputs(size, words, job["batch"])
    inputs = {name: tf.constant(array) for name, array in arrays.items()}
    return lambda: edit(**inputs)["fine"].numpy()


def _litert(job: dict[str, Any]) -> Callable[[], Any]:
    """An edit with the LiteRT files, picture by picture: the files have a batch of 1."""
    from ai_edge_litert.interpreter import Interpreter

    folder = Path(job["folder"])
    text, image = (
        Interpreter(str(folder / name), num_threads=THREADS).get_signature_runner()
        for name in ("text.tflite", f"{job['form']}.tflite")
    )
    size = image.get_input_details()["image"]["shape"][1]
    words = text.get_input_details()["tokens"]["shape"][1]
    inputs = _inputs(size, words, 1)

    def edit():
        for _ in range(job["batch"]):
            image(image=inputs["images"], **text(tokens=inputs["tokens"]))

    return edit


def _reference_operations() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The convolution and the matrix product that measure the machine's speed."""
    import tensorflow as tf

    _use_two_threads()
    count, side, channels = _CONVOLUTION
    picture = tf.random.normal([count, side, side, channels])
    kernel = tf.random.normal([3, 3, channels, channels])
    first, second = (tf.random.normal([_PRODUCT, _PRODUCT]) for _ in range(2))
    convolution = tf.function(lambda: tf.nn.conv2d(picture, kernel, 1, "SAME")[0, 0, 0, 0])
    product = tf.function(lambda: tf.matmul(first, second)[0, 0])
    return lambda: convolution().numpy(), lambda: product().numpy()
