"""The inputs and outputs of a LiteRT file, and the errors of its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mim_tf.quiet import silenced

# Width of each output's range. h^ is not bounded: its error is taken relative to the spread of the
# expected values.
_WIDTH = {"coarse": 2.0, "fine": 2.0, "alpha": 1.0, "boundary": 1.0, "mask": 1.0, "attention": 1.0}


def _runner(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with silenced():  # it says which delegate it has made
        return Interpreter(model_content=model).get_signature_runner()


def measure(
    model: bytes, inputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The absolute errors of a file's outputs, relative to the width of each output's range.

    Args:
        model: the file's content, for a batch of 1.
        inputs: input name -> array [K, ...] of K examples.
        expected: output name -> array [K, ...].

    Returns:
        ``mean`` and ``largest`` error, each of the output where it is highest, and ``by_output``,
        the largest error of each output.
    """
    runner = _runner(model)
    count = len(next(iter(inputs.values())))
    rows = [
        runner(**{name: array[index : index + 1] for name, array in inputs.items()})
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
    """Names, shapes and types of a file's ``inputs`` and ``outputs``."""
    runner = _runner(model)

    def rows(details):
        return {
            name: {
                "shape": [int(size) for size in detail["shape"]],
                "type": np.dtype(detail["dtype"]).name,
            }
            for name, detail in sorted(details.items())
        }

    return {
        "inputs": rows(runner.get_input_details()),
        "outputs": rows(runner.get_output_details()),
    }
