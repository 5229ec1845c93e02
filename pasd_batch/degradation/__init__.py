"""Degradation of clean photos: Real-ESRGAN's chain, old photographs, grey; for training, evaluation and the demo."""
