"""Restored photos measured against the true ones: test sets, methods, metrics, tables and sheets."""
