"""How the commands of this folder tell what is wrong with what they were given."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from gpen_ui.errors import CheckpointError

BAD_INPUT: tuple[type[Exception], ...] = (CheckpointError, OSError, ValueError)
BAD_FILE: tuple[type[Exception], ...] = (CheckpointError, FileNotFoundError)


@contextmanager
def refusing(parser: argparse.ArgumentParser, errors: tuple[type[Exception], ...] = BAD_INPUT) -> Iterator[None]:
    """Ends the command with one sentence when a file is missing or broken, or a value is not allowed.

    Args:
        errors: what counts as such. `BAD_INPUT` is for reading alone; where work follows inside, `BAD_FILE` leaves the
            errors that would be its own.
    """
    try:
        yield
    except errors as error:
        parser.error(str(error))
