"""The one error that a manifest raises."""

from pasd_batch.errors import PasdBatchError


class ManifestError(PasdBatchError, ValueError):
    """A manifest that cannot be planned; the message names the file, the rows and the remedy."""


class NoPhotos(ManifestError):
    """A place or manifest without a single photo."""
