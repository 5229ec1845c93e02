"""The command line: `pasd-batch COMMAND ...`."""

from pasd_batch.cli.main import main

__all__ = ["main"]
