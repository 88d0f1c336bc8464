"""What an edit costs: time, memory and multiply-adds of every form of the model, on two threads.

``python -m benchmarks.inference --config cub.yaml`` (random weights), or ``--run``, or
``--preset``. Each row of the table is a process of its own. Between two edits it measures the
machine itself, so that the ratios hold on a busy one as well: a 3x3 convolution of 256 to 256
channels at 64 x 64, batch 8, and a matrix product of 2048 x 2048, both float32.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags

THREADS = 2
BATCHES = (1, 8)
FORMS = ("keras", "saved_model", "float32", "float16", "int8")
_PRODUCT = 2048
_CONVOLUTION = (8, 64, 256)  # batch, side, channels
_WARM_UP = 3
_CAPTION_WORDS = 12
_PARTS = {  # what the graph calls the parts that are not the generator's own
    "depthwise": "boundary",
    "small_encoder": "image_encoder",
    "vgg_encoder": "image_encoder",
}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference", description="What an edit costs."
    )
    model = add_model_flags(parser, required=True)
    model.add_argument("--config", metavar="NAME", nargs="+", help="random weights of its sizes")
    parser.add_argument("--form", choices=FORMS, nargs="+", default=FORMS, help="which rows")
    parser.add_argument("--seconds", type=float, default=10.0, help="a row's measuring time")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.seconds <= 0:
        raise UserError("--seconds must be above 0")
    with tempfile.TemporaryDirectory() as folder:
        job = {"folder": folder, "seconds": arguments.seconds}
        if arguments.config is not None:
            load_config(*arguments.config)  # mistakes are told before anything is built
            job["run"] = str(Path(folder) / "run")
            _child({"do": "random", "config": arguments.config, **job})
        elif arguments.preset is not None:
            # In a process of its own: a child's peak memory begins with its parent's.
            job["run"] = _child({"do": "preset", "name": arguments.preset, **job})
        else:
            job["run"] = str(arguments.run)
        parts = _child({"do": "export", "forms": list(arguments.form), **job})
        rows = [
            _child({"do": "measure", "form": form, "batch": batch, **job})
            for form in arguments.form
            for batch in BATCHES
        ]
    print(_table(parts, rows))
    return 0


def _child(job: dict[str, Any]) -> Any:
    """Run a job in a process of its own and return what it says."""
    print(f"{job['do']} {job.get('form', '')} {job.get('batch', '')}", file=sys.stderr)
    code = (
        "import json, sys; from benchmarks import inference; "
        "json.dump(inference.work(json.load(sys.stdin)), open(sys.argv[1], 'w'))"
    )
    result = Path(job["folder"]) / "result.json"
    done = subprocess.run(
        [sys.executable, "-c", code, str(result)], input=json.dumps(job), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{job['do']} failed: {said[-1]}")
    return json.loads(result.read_text())


def work(job: dict[str, Any]) -> Any:
    """What a child process does."""
    if job["do"] == "preset":
        from mim_tf.run import Run

        return str(Run.preset(job["name"]).path)
    if job["do"] == "random":
        return _make_random(job)
    if job["do"] == "export":
        return _export(job)
    return _measure(job)


def _two_threads() -> None:
    """Before TensorFlow's first operation."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != THREADS:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _make_random(job: dict[str, Any]) -> None:
    """A run of random weights with 5,000 words."""
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
    """Write every form; returns sizes and the multiply-adds of each part."""
    from export import saved_model, tflite

    editor = _editor(job)
    folder = Path(job["folder"])
    counted = multiply_adds(editor)
    if "saved_model" in job["forms"]:
        saved_model.export(editor, folder / "mim")
    lite = [one for one in job["forms"] if one in tflite.VARIANTS]
    if lite:
        image = tflite.saved(editor, *tflite.image_function(editor), folder / "image")
        text = tflite.saved(editor, *tflite.text_function(editor), folder / "text")
        (folder / "text.tflite").write_bytes(tflite.convert(text, "float32"))
        inputs = _inputs(editor.size, editor.run.config.data.max_words, 4)

        def calibration():
            words = editor.generator.encode_text(inputs["tokens"], training=False)
            for index in range(4):
                yield {
                    "image": inputs["images"][index : index + 1],
                    "h_hat": np.array(words["h_hat"][index : index + 1]),
                    "mask": np.array(words["mask"][index : index + 1]),
                }

        for form in lite:
            (folder / f"{form}.tflite").write_bytes(tflite.convert(image, form, calibration))
    return {
        "size": editor.size,
        "words": editor.run.config.data.max_words,
        "parameters": editor.generator.count_params(),
        "multiply_adds": counted,
    }


def _inputs(size: int, words: int, batch: int) -> dict[str, np.ndarray]:
    """Noise, and captions of words that every vocabulary has."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, 20, (batch, words)).astype(np.int32)
    tokens[:, _CAPTION_WORDS:] = 0
    images = rng.uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    return {"images": images, "tokens": tokens}


def operations(editor, batch: int) -> list[tuple[str, Any]]:
    """Name of the part, and operation, of the edit's graph."""
    import tensorflow as tf

    words, size = editor.run.config.data.max_words, editor.size
    graph = (
        tf.function(editor.graph)
        .get_concrete_function(
            tf.TensorSpec([batch, size, size, 3]), tf.TensorSpec([batch, words], tf.int32)
        )
        .graph
    )
    numbered = re.compile(r"(_\d+)+$")  # how TensorFlow tells models of one name apart
    found = []
    for one in graph.get_operations():
        part = numbered.sub("", one.name.split("/")[0])
        found.append((_PARTS.get(part, part), one))
    return found


def multiply_adds(editor) -> dict[str, int]:
    """Multiply-adds of one picture, by part of the network; the sum of all under ``all``."""
    found: dict[str, int] = defaultdict(int)
    for part, operation in operations(editor, 1):
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2"):
            count = int(np.prod(operation.outputs[0].shape))
            if operation.type == "Conv2D":
                count *= int(np.prod(operation.inputs[1].shape[:3]))
            elif operation.type == "DepthwiseConv2dNative":
                count *= int(np.prod(operation.inputs[1].shape[:2]))
            else:
                count *= int(operation.inputs[0].shape[-1])
            if "lstm_cell" in operation.name:  # stands for the loop over the words
                count *= editor.run.config.data.max_words
            found[part] += count
    return {**found, "all": sum(found.values())}


def convolutions_alone(editor, batch: int) -> Callable[[], Any]:
    """All convolutions of the edit one after the other, on random numbers, and nothing else."""
    import tensorflow as tf

    rows = []
    for _, operation in operations(editor, batch):
        if operation.type == "Conv2D":
            x, kernel = (tf.random.normal(one.shape) for one in operation.inputs)
            attributes = [operation.get_attr(one) for one in ("strides", "padding", "dilations")]
            rows.append((x, kernel, *attributes))

    def run():
        found = [
            tf.nn.conv2d(x, kernel, strides, padding.decode(), dilations=dilations)[0, 0, 0, 0]
            for x, kernel, strides, padding, dilations in rows
        ]
        return tf.stack(found)

    call = tf.function(run)
    return lambda: call().numpy()


def _measure(job: dict[str, Any]) -> dict[str, Any]:
    form, batch = job["form"], job["batch"]
    edit = {"keras": _keras, "saved_model": _saved_model}.get(form, _lite)(job)
    for _ in range(_WARM_UP):
        edit()
    memory = _peak_memory()  # before anything comes in that only measures the machine
    convolution, product = _machine()
    alone = convolutions_alone(_editor(job), batch) if form == "saved_model" else None
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
    median = {name: float(np.median(one)) for name, one in times.items()}
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
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak_memory() -> int:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _keras(job: dict[str, Any]) -> Callable[[], Any]:
    import tensorflow as tf

    _two_threads()
    editor = _editor(job)
    inputs = _inputs(editor.size, editor.run.config.data.max_words, job["batch"])
    call = tf.function(editor.graph)
    tensors = tf.constant(inputs["images"]), tf.constant(inputs["tokens"])
    return lambda: call(*tensors)[0].numpy()


def _saved_model(job: dict[str, Any]) -> Callable[[], Any]:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 (its operations are in the graph)

    _two_threads()
    model = tf.saved_model.load(str(Path(job["folder"]) / "mim" / "1"))
    edit = model.signatures["edit_tokens"]
    specs = edit.structured_input_signature[1]
    size, words = specs["images"].shape[1], specs["tokens"].shape[1]
    inputs = {name: tf.constant(one) for name, one in _inputs(size, words, job["batch"]).items()}
    return lambda: edit(**inputs)["fine"].numpy()


def _lite(job: dict[str, Any]) -> Callable[[], Any]:
    """Batch 8 is eight pictures one after the other: the files hold batch 1."""
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


def _machine() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The reference convolution and the reference matrix product."""
    import tensorflow as tf

    _two_threads()
    count, side, channels = _CONVOLUTION
    x = tf.random.normal([count, side, side, channels])
    kernel = tf.random.normal([3, 3, channels, channels])
    a, b = (tf.random.normal([_PRODUCT, _PRODUCT]) for _ in range(2))
    convolution = tf.function(lambda: tf.nn.conv2d(x, kernel, 1, "SAME")[0, 0, 0, 0])
    product = tf.function(lambda: tf.matmul(a, b)[0, 0])
    return lambda: convolution().numpy(), lambda: product().numpy()


def _table(parts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    counted = dict(parts["multiply_adds"])
    total = counted.pop("all")
    lines = [
        f"{parts['size']} px, {parts['parameters']:,} parameters, {THREADS} threads, captions of "
        f"{_CAPTION_WORDS} words in {parts['words']}; {total / 1e9:.2f} G multiply-adds a picture:",
        "",
    ]
    for name, count in sorted(counted.items(), key=lambda item: -item[1]):
        lines.append(f"- {name}: {count / 1e9:.3f} G ({count / total:.0%})")
    lines += [
        "",
        "| form | batch | ms a picture | peak memory | convolution, matrix product, GFLOP/s "
        "| GFLOP-equivalents | of the matrix product | its convolutions alone |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        done = 2 * total / row["seconds"] / 1e9
        alone = f"{row['alone']:.0%}" if row["alone"] else ""
        lines.append(
            f"| {row['form']} | {row['batch']} | {row['seconds'] * 1000:.1f} "
            f"| {row['memory'] / 1e9:.2f} GB | {row['convolution']:.0f}, {row['product']:.0f} "
            f"| {row['seconds'] * row['convolution']:.1f} | {done / row['product']:.0%} "
            f"| {alone} |"
        )
    lines += [
        "",
        "GFLOP-equivalents: seconds a picture times the convolution's speed in the same minutes. "
        "Of the matrix product: the edit's own speed (two operations a multiply-add) as a share. "
        "Its convolutions alone: their time as a share of the edit's.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
