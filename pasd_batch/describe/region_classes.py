"""Classes of regions, and whether a detector knows them; told from its configuration, before it is loaded."""

import json
from collections.abc import Sequence
from pathlib import Path

from pasd_batch.config.regions import RegionSettings


def unknown_classes(regions: Sequence[RegionSettings], folder: Path) -> str | None:
    """A message about classes of regions that a folder's detector does not know; None: none, or it cannot be told."""
    try:
        names = json.loads((folder.expanduser() / "config.json").read_text(encoding="utf-8"))["id2label"].values()
    except (OSError, ValueError, KeyError, AttributeError):
        return None  # loading it says what is wrong
    known = {str(name).strip().casefold() for name in names}
    unknown = [region.class_name for region in regions if region.key not in known]
    if not unknown:
        return None
    return (
        f"sampling.regions: the detector has no class {', '.join(map(repr, unknown))}; "
        f"its classes are {', '.join(sorted(map(str, names)))}"
    )
