"""Names of photos in reports."""

import re

from pasd_batch.manifests.file_pages import page_id

_DERIVED = re.compile(r"[0-9a-f]{32}")


def photo_name(photo_id: str, uri: str, page: int | None = None) -> str:
    """A photo's id where the manifest gives one, else its URI and page, of which such an id is but a hash."""
    return page_id(uri, page) if _DERIVED.fullmatch(photo_id) else photo_id
