import pyarrow as pa
import pytest

from pasd_batch.audit import dataset
from pasd_batch.audit.groups import groups_of
from pasd_batch.audit.links import links_of


@pytest.fixture
def duplicates_found_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates found in this process, as Ray's tasks find them (tests/batch/driver/test_auditing.py)."""

    def find(folder, run, settings):
        shard_size = run.config["shard_size"]
        keys = [dataset.photo_keys(folder, shard, shard_size) for shard in folder.committed()]
        return groups_of(links_of(pa.concat_tables(keys), settings.near_duplicate))

    monkeypatch.setattr(dataset, "find_duplicates", find)
