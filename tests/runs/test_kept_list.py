"""The list of photos that a run keeps: kept under its fingerprint, or gone."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from manifests import survey
from PIL import Image

from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.runs.kept_list import draft_list, keep_list, kept_list, refuse_run_among_photos
from pasd_batch.runs.plan_key import problem_of_kept_list
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage

ACCESS = StorageSettings()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photos/a.jpg")
    return tmp_path / "photos"


def test_a_draft_that_is_not_kept_leaves_nothing(tmp_path, photos):
    storage = Storage.open(str(tmp_path / "run"))
    with draft_list(str(photos), storage, ACCESS) as draft:
        assert pq.read_table(draft.manifest.path)["id"].to_pylist() == ["a.jpg"]
    assert list((tmp_path / "run").iterdir()) == []
    assert kept_list(storage, "f" * 64) is None


def test_a_kept_list_is_found_by_its_fingerprint_alone(tmp_path, photos):
    storage = Storage.open(str(tmp_path / "run"))
    with draft_list(str(photos), storage, ACCESS) as draft:
        kept = keep_list(draft, storage, "f" * 64)
        assert keep_list(draft, storage, "f" * 64) == kept
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest-ffffffffffff.parquet"]
    assert pq.read_table(kept.path)["id"].to_pylist() == ["a.jpg"]
    assert kept_list(storage, "f" * 64) == kept
    assert kept_list(storage, "e" * 64) is None


def test_a_kept_list_is_read_as_a_whole_to_tell_whether_it_is_damaged(tmp_path, photos):
    folder = RunFolder.open(str(tmp_path / "run"), ACCESS)
    assert problem_of_kept_list(folder, "f" * 64) == "missing"
    with draft_list(str(photos), folder.storage, ACCESS) as draft:
        fingerprint = survey(draft.manifest).fingerprint
        kept = Path(keep_list(draft, folder.storage, fingerprint).path)
    assert problem_of_kept_list(folder, fingerprint) is None
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20])
    assert "cannot be read" in str(problem_of_kept_list(folder, fingerprint))
    table = pq.read_table(io.BytesIO(whole))
    pq.write_table(table.set_column(1, "uri", [["/other.jpg"]]), kept)
    assert problem_of_kept_list(folder, fingerprint) == "does not list what the run began with"


@pytest.mark.parametrize(
    ("source", "root", "refused"),
    [
        ("/photos", "/photos/run", True),
        ("/photos/", "/photos", True),
        ("s3://b/photos", "s3://b/photos/run", True),
        ("/photos", "/photos-run", False),
        ("/photos/*.jpg", "/photos/run", False),
        ("/photos/run/in", "/photos/run", False),
        ("s3://photos", "/photos/run", False),
    ],
)
def test_a_run_inside_its_own_photos_is_refused(source, root, refused):
    settings, storage = ManifestSettings(path=source), Storage.open(root)
    if not refused:
        refuse_run_among_photos(settings, storage, ACCESS)
        return
    with pytest.raises(ManifestError, match=rf"output.root {root} is inside manifest.path {source}.*outside of it"):
        refuse_run_among_photos(settings, storage, ACCESS)


SECRET_ADDRESSES = ["https://me:HUSH@h/a.jpg", "https://h/get?sig=HUSH&name=a.jpg", "https://h/a;jwt=HUSH.png"]


@pytest.mark.parametrize("address", SECRET_ADDRESSES)
def test_a_photo_whose_address_hides_something_is_no_list(tmp_path, address):
    access = StorageSettings(allowed_schemes=frozenset({"file", "https"}))
    draft = draft_list(address, Storage.open(str(tmp_path / "run")), access)
    with pytest.raises(ManifestError, match=r"write it into a CSV manifest as a row below `uri`") as error, draft:
        raise AssertionError("it was listed")
    assert "HUSH" not in str(error.value)
    assert not (tmp_path / "run").exists()
