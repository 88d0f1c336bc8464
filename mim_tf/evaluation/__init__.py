"""Fixed pairs, edits of them, metrics, and the manifest from which the same digits come again."""
