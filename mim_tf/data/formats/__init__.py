"""Readers of the file formats that data sets come in; all of them check what they read."""
