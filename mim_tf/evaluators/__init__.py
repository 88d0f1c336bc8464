"""Reference models that metrics are measured with: DAMSM and a classifier."""
