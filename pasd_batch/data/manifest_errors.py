"""The one error that a manifest raises."""


class ManifestError(ValueError):
    """A manifest that cannot be planned; the message names the file, the rows and the remedy."""
