"""Evaluators: the reference models that metrics are measured with, DAMSM and a classifier."""
