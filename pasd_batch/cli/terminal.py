"""Log lines for a terminal."""

import logging

from pasd_batch.storage.printable import printable


class PrintableFormatter(logging.Formatter):
    """Log lines as `printable` text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and a traceback where there is one; names with line ends in them begin no line of their own."""
        return printable(super().format(record)).replace("\n", "\n    ")
