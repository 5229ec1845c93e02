"""PASD's training: degradation, data, losses and trainer."""
