"""The driver of a run: checks, plan, dispatch, repair, exit codes."""
