"""Reading and writing: manifests, photos, storage and result files."""
