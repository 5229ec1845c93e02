"""Objectives: what a training step computes from a batch, as a loss."""
