"""A worker process: a shard's photos are loaded, restored, scored and stored."""
