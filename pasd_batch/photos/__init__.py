"""Photos: decoding, encoding, colour, metadata and formats."""
