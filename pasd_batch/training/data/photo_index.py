"""Index of the training set: every photo's name, caption and place; made once and stored.

The list is stored in the training's output, so that a resumed training draws from the same photos in the same order
whatever happened to the folders meanwhile.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.manifest import Pages
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.training_data import DataSource, PhotoSource, WebDatasetSource
from pasd_batch.manifests.allowed_folders import granted_folders, rows_outside, why_outside
from pasd_batch.manifests.file_pages import pages_of_rows
from pasd_batch.manifests.listing import find_files
from pasd_batch.manifests.pieces import ManifestPiece, find_pieces, is_image_source
from pasd_batch.manifests.rows import photo_ids, read_rows
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.storage import NotFound, Storage, TooLarge
from pasd_batch.training.data.dataset import EncodedPhoto
from pasd_batch.training.data.webdataset import find_samples, read_member
from pasd_batch.training.errors import TrainingError

INDEX_FILE = "photos.parquet"
"""Path of a training's list, relative to its output."""

_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)
_BATCH_ROWS = 50_000


class PhotoIndex:
    """A list of photos that can be fetched one by one, in any order."""

    def __init__(self, rows: pa.Table, storage_settings: StorageSettings) -> None:
        self._rows = rows
        self._storage_settings = storage_settings

    def __len__(self) -> int:
        """Number of photos."""
        return self._rows.num_rows

    def name(self, row: int) -> str:
        """A photo's name, unique in the list."""
        return self._rows["name"][row].as_py()

    def fetch(self, row: int, *, max_bytes: int) -> EncodedPhoto:
        """Read one photo's file.

        Raises:
            StorageError: it cannot be read, or is larger than `max_bytes`.
        """
        (values,) = self._rows.slice(row, 1).to_pylist()
        if values["offset"] >= 0:
            _refuse_large(values, max_bytes)
            data = read_member(values["uri"], values["offset"], values["size"], self._storage_settings)
        else:
            data = read_uri(values["uri"], self._storage_settings, max_bytes=max_bytes)
        return EncodedPhoto(values["name"], data, values["caption"])

    def first(self, count: int) -> "PhotoIndex":
        """The first photos by name."""
        return PhotoIndex(self._rows.sort_by("name").slice(0, count), self._storage_settings)

    def to_parquet(self) -> bytes:
        """The list as a file."""
        buffer = io.BytesIO()
        pq.write_table(self._rows, buffer, compression="zstd")
        return buffer.getvalue()


def list_photos(sources: Sequence[DataSource], storage_settings: StorageSettings) -> PhotoIndex:
    """Find all photos of all sources; a source given twice counts twice.

    A photo's name is its source's number and its id there, or its path below the source's folder: a training is the
    same wherever its photos lie.

    Raises:
        TrainingError: there are none, or two of one source have the same name.
        ManifestError, StorageError: a source cannot be read.
    """
    tables = list(_tables(_all_rows(sources, storage_settings)))
    rows = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    places = ", ".join(source.path for source in sources)
    if rows.num_rows == 0:
        raise TrainingError(f"no photos in {places}; check data.sources")
    counts = rows.group_by("name").aggregate([("name", "count")])
    if counts.num_rows < rows.num_rows:
        twice = next(row["name"] for row in counts.to_pylist() if row["name_count"] > 1)
        raise TrainingError(f"photo {twice!r} is in {places} more than once; remove one of its entries")
    return PhotoIndex(rows, storage_settings)


def load_or_create_index(
    storage: Storage, sources: Sequence[DataSource], storage_settings: StorageSettings
) -> PhotoIndex:
    """The photo index stored with the training in `storage`, created if there is none.

    Raises:
        TrainingError, ManifestError, StorageError: as `list_photos` does.
    """
    kept = load_index(storage, storage_settings)
    if kept is None:
        kept = list_photos(sources, storage_settings)
        storage.write(INDEX_FILE, kept.to_parquet())
    return kept


def load_index(storage: Storage, storage_settings: StorageSettings) -> PhotoIndex | None:
    """The list that the training in `storage` keeps, if there is one."""
    try:
        return PhotoIndex(pq.read_table(io.BytesIO(storage.read(INDEX_FILE))), storage_settings)
    except NotFound:
        return None


def _all_rows(sources: Sequence[DataSource], storage_settings: StorageSettings) -> Iterator[dict[str, Any]]:
    for number, source in enumerate(sources):
        for row in _rows_of(source, storage_settings):
            yield {**row, "name": f"{number}/{row['name']}"}


def _refuse_large(member: dict[str, Any], max_bytes: int) -> None:
    if member["size"] > max_bytes:
        raise TooLarge(
            f"{member['name']} in {member['uri']}: {member['size']:,} bytes is more than the limit of {max_bytes:,}; "
            "raise data.samples.limits.max_bytes or shrink the file"
        )


def _rows_of(source: DataSource, storage_settings: StorageSettings) -> Iterator[dict[str, Any]]:
    match source:
        case WebDatasetSource():
            for sample in find_samples(source, storage_settings):
                yield {
                    "name": sample.name,
                    "uri": sample.uri,
                    "caption": sample.caption,
                    "offset": sample.offset,
                    "size": sample.size,
                }
        case PhotoSource() if source.pages is Pages.EVERY:
            raise TrainingError(
                f"{redact_uri(source.path)}: pages are every, and training takes first pages alone; leave it out, or "
                "save pages as files of their own"
            )
        case PhotoSource() if is_image_source(source, storage_settings):
            found = find_files(source.path, storage_settings)
            for uri in sorted(found.photos()):
                yield _whole_file(found.name(uri), uri, "")
            found.left_out.warn(source.path)
        case PhotoSource():
            yield from _manifest_rows(source, storage_settings)


def _manifest_rows(source: PhotoSource, storage_settings: StorageSettings) -> Iterator[dict[str, Any]]:
    for piece in find_pieces(source, storage_settings):
        for table in read_rows(piece, source.columns, storage_settings):
            _refuse_outside(piece, table, storage_settings)
            _refuse_pages(piece, table)
            columns = (photo_ids(table), table["uri"].to_pylist(), table["prompt"].to_pylist())
            for name, uri, prompt in zip(*columns, strict=True):
                if not name or not uri:
                    raise TrainingError(f"{piece}: a row has no URI or id; complete or remove it")
                yield _whole_file(name, uri, prompt or "")


def _refuse_pages(piece: ManifestPiece, table: pa.Table) -> None:
    """Make sure that no row is of a later page of its file, as photos are trained on by their files."""
    for row, page in enumerate(pages_of_rows(table)):
        if page not in (None, 1):
            shown = redact_uri(table["uri"][row].as_py())
            raise TrainingError(
                f"{piece}: page {page} of {shown}: training takes first pages alone; save it as a file of its own, or "
                "remove the row"
            )


def _refuse_outside(piece: ManifestPiece, table: pa.Table, storage_settings: StorageSettings) -> None:
    """Refuse local photos outside the folders that a manifest may name; links are not resolved."""
    noted = (table.schema.metadata or {}).get(SOURCE_ROOT_KEY)
    folders = storage_settings.allowed_folders | granted_folders(
        piece.uri, noted.decode(errors="replace") if noted else None
    )
    for row in rows_outside(table["uri"], folders)[:1]:
        uri = table["uri"][row].as_py()
        raise TrainingError(f"{piece}: {redact_uri(uri)} {why_outside(uri, folders)}")


def _whole_file(name: str, uri: str, caption: str) -> dict[str, Any]:
    return {"name": name, "uri": uri, "caption": caption, "offset": -1, "size": -1}


def _tables(rows: Iterable[dict[str, Any]]) -> Iterator[pa.Table]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            yield pa.Table.from_pylist(batch, schema=_SCHEMA)
            batch = []
    yield pa.Table.from_pylist(batch, schema=_SCHEMA)
