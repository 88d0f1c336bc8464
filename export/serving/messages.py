"""TensorFlow Serving's gRPC messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest


def predict_request(model: str, signature: str, inputs: Mapping[str, Any]) -> PredictRequest:
    """A request for a model's signature.

    Args:
        model: the model's name.
        signature: the signature's name.
        inputs: argument name -> array or list of bytes.
    """
    request = PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
