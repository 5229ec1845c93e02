"""The run folder and all that is read from it: plan, run file, ledger, results, status, summary, verification."""
