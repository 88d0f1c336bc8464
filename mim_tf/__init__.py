"""MIM-Net in TensorFlow: text-guided image manipulation."""

import os

# Notes about CPU flags and absent GPUs are no news to a user; set the variable to read them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
