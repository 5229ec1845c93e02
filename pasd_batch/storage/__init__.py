"""Local files and object stores: bounded reads, atomic writes, conditional creates, retries, addresses."""
