"""HTML pages and picture sheets that show what a model does."""
