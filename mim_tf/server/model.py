"""The exported model that is served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.errors import UserError
from mim_tf.server.limits import RequestError

_MESSAGE = re.compile(r"assertion failed: \[([^\]]*)\]")


class Model:
    """The newest version of an exported model, loaded.

    Args:
        base: the folder of all versions, whose names are numbers.

    Attributes:
        name, version: the names of the two folders, which are also those in the URLs.
        signatures: name -> TensorFlow function.

    Raises:
        UserError: there is no version, or it is not a SavedModel with signatures.
    """

    def __init__(self, base: Path) -> None:
        versions = (
            [int(path.name) for path in base.iterdir() if path.name.isdigit()]
            if base.is_dir()
            else []
        )
        if (base / "saved_model.pb").is_file():
            raise UserError(f"--model {base} is one version; name the folder of all: {base.parent}")
        if not versions:
            raise UserError(
                f"--model {base} holds no version; write one with "
                f"python -m export.saved_model --run RUN --output {base}"
            )
        self.name, self.version = base.resolve().name, str(max(versions))
        path = base / self.version

        import tensorflow as tf
        import tensorflow_text  # noqa: F401 (its operations are in the graph)

        try:
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{path} is no SavedModel: {str(error).splitlines()[0]}") from None
        self.signatures = dict(self._loaded.signatures)
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
            found = _MESSAGE.search(error.message or "")
            message = found[1] if found else (error.message or "").splitlines()[0]
            raise RequestError(400, message) from None
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
