"""MIM-Net in TensorFlow: text-guided image manipulation."""
