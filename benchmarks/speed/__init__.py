"""Parts of `benchmarks/gpu.py`: the networks, the clock, and what is measured."""
