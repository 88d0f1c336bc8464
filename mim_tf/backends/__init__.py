"""What computes an edit: the LiteRT files of an export, or a run's network in TensorFlow."""
