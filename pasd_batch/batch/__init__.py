"""The batch engine: plan, worker and run on Ray Data."""
