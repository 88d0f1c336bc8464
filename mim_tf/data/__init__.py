"""Data sets: pictures, captions and the words they are made of."""
