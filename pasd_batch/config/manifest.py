"""Settings of a manifest: where it lies, and what its columns mean."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from pasd_batch.config.base import Place, Settings


class ManifestFormat(StrEnum):
    """Format of the manifest."""

    AUTO = "auto"
    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"
    IMAGES = "images"


class Pages(StrEnum):
    """Pages that are taken of files with several."""

    FIRST = "first"
    EVERY = "every"


class ManifestColumns(Settings):
    """Meanings of the manifest's columns; any others are carried through to the results."""

    SETTINGS: ClassVar = (
        "scale",
        "seed",
        "steps",
        "fidelity",
        "guidance_scale",
        "alpha_a",
        "conditioning_scale",
        "negative_prompt",
        "page",
    )
    """Those that set what of a file is restored, and how, by the names of the settings."""

    uri: str = "uri"
    """Column with the photo's URI; relative ones are relative to the manifest."""

    id: str | None = None
    """Column with a unique id; none: `id` where there is such a column, else derived from the URI."""

    prompt: str | None = None
    """Column with the photo's own prompt; none: `prompt` where there is such a column."""

    reference_uri: str | None = None
    """Column with the URI of the true photo; none: `reference_uri` where there is such a column."""

    color_reference_uri: str | None = None
    """Column with the URI of a photo whose palette the result takes, by `color_fix: reference`; none:
    `color_reference_uri` where there is such a column."""

    page: str | None = None
    """Column with the page of the file, from 1, that a row is of; none: `file_page` where there is such a column."""
    mask_uri: str | None = None
    """Column with the URI of a mask: white is restored, black left as it is; none: `mask_uri` where there is such a
    column."""

    scale: str | None = None
    """Column with a photo's own `restoration.sampling.scale`; like those below only taken if it is named here. Where a
    photo has no value in it, the run's setting holds."""

    seed: str | None = None
    """Column with a photo's own seed, which is taken as it is; else it derives from the run's seed and the id."""

    steps: str | None = None
    """Column with a photo's own `steps`."""

    fidelity: str | None = None
    """Column with a photo's own `fidelity`."""

    guidance_scale: str | None = None
    """Column with a photo's own `guidance_scale`."""

    alpha_a: str | None = None
    """Column with a photo's own `alpha_a`; it goes before a run's `added_noise_level`."""

    conditioning_scale: str | None = None
    """Column with a photo's own `conditioning_scale`."""

    negative_prompt: str | None = None
    """Column with a photo's own `negative_prompt`."""

    def of_settings(self) -> dict[str, str]:
        """Columns that set what of a file is restored, and how, by the names of the settings."""
        return {name: column for name in self.SETTINGS if (column := getattr(self, name)) is not None}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ManifestSettings(Settings):
    """The photos to work on; the manifest has a fingerprint of its own."""

    path: Place
    """File, folder, prefix or glob (local, `s3://`, anything fsspec opens) of a manifest, or of images."""

    format: ManifestFormat = ManifestFormat.AUTO
    """Format of the manifest; `auto` goes by the file names."""

    columns: ManifestColumns = ManifestColumns()
    """Meanings of the columns."""

    pages: Pages = Pages.FIRST
    """Of a folder of photos: `every` has each page of a file, picture of an animation or of a burst as a photo of its
    own, `first` the first one. A manifest lists pages as rows (`columns.page`)."""

    may_be_empty: bool = False
    """No photo there, or no row in the manifest, is a run with nothing to do and exit code 0, not an error. A local
    folder must be there all the same; of a prefix of an object store that cannot be told."""

    only_new: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    """Earlier runs, as `output.root`s or folders that have them in it (`s3://bucket/restored/*`): photos that they have
    done, with the same content and settings, are left out. Changed ones and ones that failed come again."""
