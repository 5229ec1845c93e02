"""All that a run knows of Ray: session, pool of actors, datasets of tasks, progress board, metrics, spot nodes."""
