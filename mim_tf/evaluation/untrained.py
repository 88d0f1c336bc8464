"""The test pictures of an evaluation must not have trained the model."""

from __future__ import annotations

from mim_tf.data.source import Source
from mim_tf.errors import UserError
from mim_tf.places import PICTURES
from mim_tf.run import Run


def check_untrained(run: Run, source: Source, *, own: bool) -> None:
    """Refuse to measure a run on pictures that trained it.

    A random split is drawn from the number of pictures, so one picture more deals all of them out
    anew, and most of the new test pictures have trained.

    Args:
        source: the split that is to be measured.
        own: whether it is the data that the run was trained on; names in somebody's own folder mean
            nothing in another.

    Raises:
        UserError: pictures of a test split stand in the run's list of training pictures.
    """
    trained = run.training_pictures()
    if trained is None or source.split != "test" or source.name != run.config.data.source:
        return
    before, start, found = set(trained), 0, []
    for part in source.parts:
        names = source.ids[start : start + len(part)]
        start += len(part)
        on_disk = "root" in type(part.options).model_fields  # drawn pictures have numbers for names
        if on_disk and (own or part.published is not None):
            found += [name for name in names if name in before]
    if found:
        raise UserError(
            f"{len(found)} of {len(source)} test pictures trained {run.path} ({found[0]} stands in "
            f"its {PICTURES}): its data set has changed since, and the split with it; restore the "
            'data, or say which pictures test (in a folder of your own by "split")'
        )
