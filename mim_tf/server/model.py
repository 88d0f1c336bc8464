"""The exported model that is served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.checksums import check_sums
from mim_tf.errors import UserError
from mim_tf.server.limits import RequestError

_MESSAGE = re.compile(r"assertion failed: \[([^\]]*)\]")


def told_by_graph(message: str) -> str:
    """What a failed assertion in a graph says, or else the first line of TensorFlow's message."""
    found = _MESSAGE.search(message)
    if found:
        return re.sub(r"\\(.)", r"\1", found[1])  # TensorFlow puts a backslash before each quote
    return (message.splitlines() or [""])[0]


class Model:
    """A version of an exported model, loaded.

    Args:
        path: the version's folder, in the folder of the model's versions.
        name: of the model; by default that of the folder of its versions.

    Attributes:
        name, version: of the model and of the version's folder, as they are in the URLs.
        folder: of the version.
        signatures: name -> TensorFlow function.

    Raises:
        UserError: it is not a SavedModel with signatures, a file of it is damaged, or its name
            cannot stand in a URL.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.name = path.resolve().parent.name if name is None else name
        self.folder, self.version = path, path.name
        if not self.name or set(":/") & set(self.name) or not self.name.isprintable():
            raise UserError(
                f"--model {str(path.parent)!r}: the name {self.name[:80]!r} cannot stand in a URL; "
                "give another by --model_name"
            )

        if not (path / "saved_model.pb").is_file():
            raise UserError(f"{path} is no SavedModel: it has no saved_model.pb")
        check_sums(path)

        import tensorflow as tf
        import tensorflow_text  # noqa: F401 (its operations are in the graph)

        try:
            self._loaded = tf.saved_model.load(str(path))
            self.signatures = dict(self._loaded.signatures)
        except Exception as error:  # a tampered file makes TensorFlow raise almost any exception
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise UserError(f"{path} is no SavedModel: {reason[:200]}") from None
        if not self.signatures:
            raise UserError(f"{path} has no signature")

    def inputs(self, signature: str) -> dict[str, Any]:
        """A signature's inputs: name -> tf.TensorSpec."""
        return self.signatures[signature].structured_input_signature[1]

    def outputs(self, signature: str) -> dict[str, Any]:
        """A signature's outputs: name -> tf.TensorSpec."""
        return self.signatures[signature].structured_outputs

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a signature.

        Raises:
            RequestError: 400, an assertion in the model's graph finds the input wrong, or its
                numbers are so large that an output is not finite.
        """
        import tensorflow as tf

        try:
            tensors = {
                name: tf.constant(value, self.inputs(signature)[name].dtype)
                for name, value in inputs.items()
            }
            outputs = self.signatures[signature](**tensors)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise RequestError(400, told_by_graph(error.message or "")) from None
        arrays = {name: tensor.numpy() for name, tensor in outputs.items()}
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise RequestError(
                    400, f"the output '{name}' is not finite: numbers in the inputs are too large"
                )
        return arrays

    def metadata(self) -> dict[str, Any]:
        """TensorFlow Serving's JSON about the signatures: names, types and shapes."""
        from tensorflow.core.framework.types_pb2 import DataType

        def infos(specs):
            return {
                name: {
                    "dtype": DataType.Name(spec.dtype.as_datatype_enum),
                    "tensor_shape": {
                        "dim": [
                            {"size": str(-1 if size is None else size), "name": ""}
                            for size in spec.shape
                        ],
                        "unknown_rank": False,
                    },
                    "name": name,
                }
                for name, spec in specs.items()
            }

        signatures = {
            name: {
                "inputs": infos(self.inputs(name)),
                "outputs": infos(self.outputs(name)),
                "method_name": "tensorflow/serving/predict",
            }
            for name in self.signatures
        }
        return {
            "model_spec": {
                "name": self.name,
                "signature_name": "",
                "version": self.version,
            },
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
