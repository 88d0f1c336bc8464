"""The server of mim_tf.serve: TensorFlow Serving's REST interface for a SavedModel."""
