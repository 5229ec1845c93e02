"""Settings that a manifest has for single photos, beside the rows of reports: results say only what was used."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder

OWN_SETTINGS = "settings"
"""Column of photos' own settings, as JSON by name."""


def own_setting_names(run: RunFile) -> tuple[str, ...]:
    """Settings that columns of the run's manifest have for single photos."""
    columns = run.settings.get("manifest", {}).get("columns", {})
    return tuple(name for name in ManifestColumns.SETTINGS if columns.get(name) is not None)


def with_own_settings(tables: Iterable[pa.Table], folder: RunFolder) -> Iterator[pa.Table]:
    """Tables of rows, which have `photo_id` and `shard`, with the column of own settings that their plan has.

    Raises:
        StorageError: a plan cannot be read.
    """
    shard, planned = -1, dict[str, str | None]()
    for table in tables:
        if table.num_rows and table["shard"][0].as_py() != shard:
            shard = table["shard"][0].as_py()
            plan = folder.plan(shard)
            settings = plan[OWN_SETTINGS].to_pylist() if OWN_SETTINGS in plan.column_names else [None] * plan.num_rows
            planned = dict(zip(plan["photo_id"].to_pylist(), settings, strict=True))
        own = [planned.get(identity) for identity in table["photo_id"].to_pylist()]
        yield table.append_column(OWN_SETTINGS, pa.array(own, pa.string()))
