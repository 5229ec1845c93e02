"""Restore and score large photo archives with Pixel-Aware Stable Diffusion on Ray Data."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("pasd-batch")
