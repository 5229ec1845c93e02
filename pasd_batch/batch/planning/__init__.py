"""Planning: a manifest's rows become shards."""
