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
    """The newest version of an exported model.

    Attributes:
        name, version: as in the paths.
        signatures: name -> the TensorFlow function.
    """

    def __init__(self, base: Path) -> None:
        versions = (
            [int(one.name) for one in base.iterdir() if one.name.isdigit()] if base.is_dir() else []
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
        """Name -> tf.TensorSpec of a signature's inputs."""
        return self.signatures[signature].structured_input_signature[1]

    def outputs(self, signature: str) -> dict[str, Any]:
        """Name -> tf.TensorSpec of a signature's outputs."""
        return self.signatures[signature].structured_outputs

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a signature.

        Raises:
            RequestError: the model finds the input wrong.
        """
        import tensorflow as tf

        try:
            tensors = {
                name: tf.constant(value, self.inputs(signature)[name].dtype)
                for name, value in inputs.items()
            }
            out = self.signatures[signature](**tensors)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            found = _MESSAGE.search(error.message or "")
            message = found[1] if found else (error.message or "").splitlines()[0]
            raise RequestError(400, message) from None
        return {name: one.numpy() for name, one in out.items()}

    def metadata(self) -> dict[str, Any]:
        """TensorFlow Serving's answer about the signatures."""
        from tensorflow.core.framework.types_pb2 import DataType

        def infos(specs):
            return {
                name: {
                    "dtype": DataType.Name(spec.dtype.as_datatype_enum),
                    "tensor_shape": {
                        "dim": [
                            {"size": str(-1 if one is None else one), "name": ""}
                            for one in spec.shape
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
