"""The published data sets and a folder of your own pictures, one module each."""
