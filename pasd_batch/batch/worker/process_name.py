"""Name of this process in rows, attempts and log lines."""

import os
import socket


def process_name() -> str:
    """Host and process, as rows and attempts name a worker."""
    return f"{socket.gethostname()}/{os.getpid()}"
