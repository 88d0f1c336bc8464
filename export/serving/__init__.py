"""Serving with TensorFlow Serving: its configuration, a client and a load test."""
