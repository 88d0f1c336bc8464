"""What mim_tf.serve is made of: TensorFlow Serving's REST interface over a SavedModel."""
