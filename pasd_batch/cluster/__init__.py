"""Ray: session, pool of actors, datasets of tasks, progress board, spot nodes. Nothing else of a run knows it."""
