"""Names of photos in reports."""

import re

_DERIVED = re.compile(r"[0-9a-f]{32}")


def photo_name(photo_id: str, uri: str) -> str:
    """A photo's id where the manifest gives one, else its URI, of which such an id is but a hash."""
    return uri if _DERIVED.fullmatch(photo_id) else photo_id
