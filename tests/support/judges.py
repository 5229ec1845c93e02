"""Programs of others that judge what was written: exiftool, ImageMagick, libvips and their like."""

import os
import shutil
import subprocess

import pytest


def judge(program: str, *arguments: str) -> str:
    """What `program` prints; the test is skipped where it is not installed, but never in continuous integration."""
    if shutil.which(program) is None:
        message = f"{program} is not installed: make test-programs"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout
