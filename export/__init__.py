"""Exports for serving and for phones: SavedModel and LiteRT."""
