"""`manifest.only_new`: the photos of a manifest that earlier runs have not done, or not as they are now."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from pasd_batch.batch.planning.checked_manifest import CheckedManifest
from pasd_batch.batch.planning.done_photos import Content, DonePhoto, done_photos, is_unchanged, key_of
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.carried import cast_extra
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.rows import photo_ids, read_rows
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.manifests.writing import write_tables
from pasd_batch.records import URI_COLUMNS
from pasd_batch.runs.planned_manifest import as_manifest
from pasd_batch.runs.run_differences import default_settings, flat_settings, in_one_pass
from pasd_batch.runs.run_set import FoundRun, find_runs
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.printable import some_of
from pasd_batch.storage.threads import in_threads

_logger = logging.getLogger(__name__)

_MATTERS_NOT = ("shard_size", "manifest", "limits.", "output.images", "output.max_shard_mib")
"""Settings that decide what comes out and not how a photo looks."""

_KNOWN_BY = ("prompt", *URI_COLUMNS, "settings")
_REMEMBERED = 10_000
"""Files that are not looked at again: many photos may have one mask or colour reference, or be pages of one file."""

_SHOWN = 10


class NothingNew(PasdBatchError):
    """Earlier runs have done all photos: there is nothing to do, which is no failure."""


@dataclass(frozen=True)
class NewPhotos:
    """Photos that are left of a manifest, and the others."""

    data: bytes
    """The photos as a Parquet manifest."""
    photos: int
    done: int
    """Photos that are left out, because earlier runs have done them."""
    deleted: tuple[str, ...]
    """Ids of photos that earlier runs have done and that the manifest does not have any more."""
    runs: int

    def lines(self) -> list[str]:
        """Numbers of photos, and deleted ones by name, for people."""
        lines = [f"only new: {self.photos:,} photos; {self.done:,} are done in {self.runs:,} earlier runs"]
        if self.deleted:
            named = some_of(self.deleted, _SHOWN)
            lines.append(f"deleted since: {len(self.deleted):,} photos that earlier runs have done: {named}")
        return lines


def new_photos(checked: CheckedManifest, settings: RunSettings, model_fingerprint: str | None) -> NewPhotos:
    """Leave out what earlier runs have done.

    A photo is done if the latest run that has it, of those with the same settings and weights, restored it with the
    same id, addresses, prompt and own settings, and it and what it has beside it (true photo, mask, colour reference)
    are unchanged (`Content`). Held are some 300 bytes for each photo that is done, and as many for each of these.

    Raises:
        NothingNew: nothing is left.
        ManifestError: URIs have credentials, which the list that the run keeps would show.
        StorageError: an earlier run or the manifest cannot be read.
    """
    own = settings.output.root.rstrip("/")
    found = [run for run in find_runs(settings.manifest.only_new, settings.storage) if run.uri.rstrip("/") != own]
    runs = [run for run in found if _makes_the_same(run, settings, model_fingerprint)]
    if len(runs) < len(found):
        _logger.warning(
            "%d earlier runs have other settings or weights; their photos come again", len(found) - len(runs)
        )
    known = done_photos(runs)
    left = _Left(checked, known, settings.storage.with_folders(checked.folders))
    with tempfile.TemporaryFile() as file:
        photos = write_tables(file, left.tables())
        data = file.read()
    ids = {each.photo_id for each in known.values()}
    result = NewPhotos(data, photos, left.done, tuple(sorted(ids - left.seen)), len(runs))
    if not photos:
        raise NothingNew("\n".join(["nothing new", *result.lines()]))
    return result


def _makes_the_same(run: FoundRun, settings: RunSettings, model_fingerprint: str | None) -> bool:
    """True if a photo of the run looks as one of these settings would."""
    before, now, defaults = flat_settings(run.file.config), flat_settings(settings.decisive()), default_settings()
    names = {name for name in before.keys() | now.keys() if not name.startswith(_MATTERS_NOT)}
    usual = {name: defaults.get(in_one_pass(name)) for name in names}
    same = all(before.get(name, usual[name]) == now.get(name, usual[name]) for name in names)
    return same and run.file.model_fingerprint == model_fingerprint


@dataclass
class _Left:
    """Rows that are left of a manifest, and all that were seen of it."""

    checked: CheckedManifest
    known: Mapping[bytes, DonePhoto]
    storage_settings: StorageSettings

    def __post_init__(self) -> None:
        self.done = 0
        self.seen: set[str] = set()
        self._is_unchanged = lru_cache(_REMEMBERED)(self._look)

    def tables(self) -> Iterator[pa.Table]:
        """The rows that are left, as a manifest."""
        for piece in self.checked.pieces:
            for table in read_rows(piece, self.checked.columns, self.checked.storage_settings):
                ids = photo_ids(table)
                self.seen.update(ids)
                left = pa.array(in_threads(lambda row: not self._is_done(row), _rows(table, ids)), pa.bool_())
                self.done += table.num_rows - (left.true_count or 0)
                yield self._manifest(table.append_column("given_id", pa.array(ids, pa.string())).filter(left))

    def _is_done(self, row: Mapping[str, Any]) -> bool:
        photo = self.known.get(key_of(row, row["settings"]))
        return photo is not None and all(self._is_unchanged(row[name], photo.contents[name]) for name in photo.contents)

    def _look(self, uri: str, content: Content) -> bool:
        return is_unchanged(content, uri, self.storage_settings)

    def _manifest(self, table: pa.Table) -> pa.Table:
        uris = [uri for name in URI_COLUMNS if name in table.column_names for uri in table[name].to_pylist() if uri]
        hidden = next((uri for uri in uris if redact_uri(uri) != uri), None)
        if hidden is not None:
            raise ManifestError(
                f"{redact_uri(hidden)}: a run with manifest.only_new keeps the list of its photos as text, and this "
                "URI has something to hide; take credentials from the environment, or leave only_new out"
            )
        survey = self.checked.survey
        columns = {"photo_id": table["given_id"], "uri": table["uri"]}
        for name in ("prompt", *URI_COLUMNS[1:], "settings"):
            given = name in table.column_names
            columns[name] = table[name] if given else pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
        manifest = as_manifest(pa.table(columns | cast_extra(table, survey.extra)))
        return manifest.replace_schema_metadata(
            {
                **(manifest.schema.metadata or {}),
                **({SOURCE_ROOT_KEY: survey.source_root} if survey.source_root else {}),
            }
        )


def _rows(table: pa.Table, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Values that a photo is known by, row by row."""
    names = [name for name in _KNOWN_BY if name in table.column_names]
    for photo_id, row in zip(ids, table.select(names).to_pylist(), strict=True):
        yield {"photo_id": photo_id} | {name: row.get(name) for name in _KNOWN_BY}
