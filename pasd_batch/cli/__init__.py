"""The command line: `pasd-batch COMMAND ...`."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, as `pasd_batch.cli.command_line.main` says; Ctrl-C is a line also while its modules are loaded."""
    try:
        from pasd_batch.cli.command_line import main as run
    except KeyboardInterrupt:
        sys.stderr.write("ended by SIGINT\n")
        return 130
    return run(arguments)


__all__ = ["main"]
