"""The data sets, one module each; ``data.source: NAME`` names the module.

To add a data set, write a module with

* ``Options``: a subclass of :class:`mim_tf.config.DataConfig`, or of
  :class:`mim_tf.data.sets.on_disk.FolderOptions` for a set that lies in a folder. Its fields are
  the set's own keys in the section ``data``;
* ``describe(options, split) -> Source``: what the split says of itself before its pictures are
  read: whether they may be cropped and flipped, how many were published and where;
* ``load(options, split) -> Source``: the same with pictures and captions;

then a file in ``configs/`` and a test. A set that consists of others has ``load_parts`` as well,
which is told how each of them is loaded (`mixture.py`). A set's module imports neither TensorFlow
nor OpenCV when it is imported, because configurations are read through it.
"""
