"""Procedural birds: drawn scenes whose every colour edit has an exact true picture."""
