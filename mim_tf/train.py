"""Train MIM-Net: ``python -m mim_tf.train --config birds.yaml``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_training_flags


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mim_tf.train", description=__doc__)
    add_training_flags(parser)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.config is None and arguments.run is None:
        raise UserError("give --config NAME to start a run, or --run DIR --resume to go on")
    if arguments.resume and arguments.set:
        raise UserError("--resume goes on with the run's own configuration; leave out --set")
    if arguments.resume and arguments.run is not None and arguments.config is not None:
        raise UserError("--resume goes on with the run's own configuration; leave out --config")
    config = None
    if arguments.config is not None:
        config = load_config(*arguments.config, overrides=arguments.set)
    path = arguments.run or Path("runs") / "-".join(Path(one).stem for one in arguments.config)
    if config is None and not arguments.resume:
        raise UserError("give --config NAME, or --resume to go on with a run")

    # TensorFlow takes seconds to import: mistakes in the configuration are told before.
    from mim_tf.data.sources import load_source
    from mim_tf.run import Run
    from mim_tf.training.loop import build_vocabulary, start_run, train

    if arguments.resume:
        run = Run.open(path)
        source = load_source(run.config, "train")
        found = build_vocabulary(source, run.config)
        if found.words != run.vocabulary.words:
            raise UserError(
                f"{path} was trained with another vocabulary ({len(run.vocabulary)} ids) than "
                f"these captions give ({len(found)}); restore its data, or start a new run"
            )
    else:
        assert config is not None
        source = load_source(config, "train")
        run = start_run(path, config, source)
    train(run, source)
    print(run.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
