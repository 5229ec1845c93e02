"""A manifest that was checked, and its rows again, span by span."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.file_pages import pages_of_rows
from pasd_batch.manifests.output_paths import PlainPath, plain_path
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import ManifestSurvey

_SPAN_ROWS = 200_000


@dataclass(frozen=True)
class Span:
    """Rows `first` to `stop` (excluded) of the whole manifest, and where they are found."""

    first: int
    stop: int
    pieces: tuple[ManifestPiece, ...]
    skip: int
    """Rows of the first piece that come before `first`."""


@dataclass(frozen=True)
class PathRules:
    """Rule by which a photo's output path is derived from its URI."""

    source_root: str
    suffix: str

    def plain_paths(self, rows: pa.Table) -> list[PlainPath]:
        """Plain output paths of rows in the common form."""
        return [
            plain_path(uri, source_root=self.source_root, suffix=self.suffix, page=page)
            for uri, page in zip(rows["uri"].to_pylist(), pages_of_rows(rows), strict=True)
        ]


@dataclass(frozen=True)
class CheckedManifest:
    """A manifest that can be planned: nothing in it is missing, refused or there twice."""

    pieces: tuple[ManifestPiece, ...]
    columns: ManifestColumns
    storage_settings: StorageSettings
    survey: ManifestSurvey
    paths: PathRules
    colliding: np.ndarray
    """Sorted numbers of the rows whose plain output paths collide."""
    here: bool = False
    """It is small, and is planned in this process."""

    @property
    def photos(self) -> int:
        """Number of photos."""
        return self.survey.rows

    @property
    def fingerprint(self) -> str:
        """Hash of all rows in order."""
        return self.survey.fingerprint

    @property
    def folders(self) -> frozenset[str]:
        """Local folders below which its photos lie."""
        return self.storage_settings.allowed_folders | self.survey.folders

    def spans(self, shard_size: int = 1) -> list[Span]:
        """Parts of the manifest, each the work of one task."""
        rows, starts = self.survey.rows, self.survey.starts
        return cut_spans(self.pieces, starts, rows, shard_size=shard_size, target_rows=_SPAN_ROWS)

    def tables(self, span: Span) -> Iterator[tuple[int, pa.Table]]:
        """The span's rows in order, in the manifest's common form: tables, each with the number of its first row.

        Raises:
            ManifestError: there are fewer rows than the survey counted.
            StorageError: the manifest cannot be read.
        """
        first, skip = span.first, span.skip
        for piece in span.pieces:
            for table in read_rows(piece, self.columns, self.storage_settings):
                part = table.slice(skip, span.stop - first)
                skip -= min(skip, table.num_rows)
                if part.num_rows:
                    yield first, part
                first += part.num_rows
                if first == span.stop:
                    return
        fewer = f"{span.stop - first:,} rows fewer"
        raise ManifestError(f"{span.pieces[-1]}: the manifest changed while it was planned ({fewer}); plan again")


def cut_spans(
    pieces: Sequence[ManifestPiece], starts: Sequence[int], rows: int, *, shard_size: int, target_rows: int
) -> list[Span]:
    """Spans of about `target_rows` rows that together cover the manifest, each beginning where a shard begins.

    A span begins in the first shard that begins in its first piece, and ends with its last shard, for which it may
    read the beginning of the pieces behind its own: so no piece is read from its middle by anyone.
    """
    firsts = [0]
    for start in starts:
        first = min(rows, -(-start // shard_size) * shard_size)
        if first - firsts[-1] >= target_rows:
            firsts.append(first)
    spans = []
    for first, stop in zip(firsts, [*firsts[1:], rows], strict=True):
        if first == stop:
            continue
        begin = bisect_right(starts, first) - 1
        own = pieces[begin : bisect_left(starts, stop)]
        spans.append(Span(first, stop, tuple(own), first - starts[begin]))
    return spans
