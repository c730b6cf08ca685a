"""Every exit status of the command line, in one table."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the shell sees."""

    OK = 0  # done
    FAILED = (
        1  # a rule has an error, a case fails, a pack does not verify, the input or output failed
    )
    USAGE = 2  # wrong arguments
    MATCHED = 3  # what `--fail-on-match` or `--fail-on` asks about is there
    INTERNAL = 70  # a fault of sigmac itself, which `--verify` found: the pack is refused
    INTERRUPTED = 130  # Ctrl-C
    PIPE = 141  # the reader of standard output went away
