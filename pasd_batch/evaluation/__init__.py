"""Evaluation of restorations: what a run's scores say beside those of another."""
