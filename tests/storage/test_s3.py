"""Object storage: throttling, lost answers, conditions that are ignored."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from other_answers import times
from quick_retry import QUICK

from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.probe import honours_create
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.storage import (
    AlreadyExists,
    Forbidden,
    NotFound,
    Storage,
    StorageError,
    TransientStorageError,
)


def test_throttling_is_tried_again(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    s3.trouble = times(3, "503", "PUT")
    storage.create("a", b"1")
    s3.trouble = times(3, "503", "GET")
    assert storage.read("a") == b"1"
    s3.trouble = times(3, "503", "HEAD")
    assert storage.exists("a")
    s3.trouble = times(3, "503", "GET")
    assert list(storage.list()) == ["a"]


def test_throttling_ends_after_the_limit(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    s3.trouble = lambda environ: "503"
    s3.requests.clear()
    with pytest.raises(TransientStorageError, match=r"s3://archive/a.*SlowDown.*gave up after 4 tries"):
        storage.create("a", b"1")
    assert len(s3.requests) == 4


def test_forbidden_and_missing_are_not_tried_again(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    s3.trouble = lambda environ: "403"
    s3.requests.clear()
    with pytest.raises(Forbidden, match="s3://archive/a"):
        storage.read("a")
    assert len(s3.requests) == 1
    s3.trouble = lambda environ: None
    with pytest.raises(NotFound):
        storage.read("a")
    with pytest.raises(NotFound, match="NoSuchBucket"):
        Storage.open("s3://no-such-bucket", StorageSettings(retry=QUICK)).write("a", b"")


def test_a_create_whose_answer_was_lost_succeeded(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    s3.trouble = times(1, "drop", "PUT")
    storage.create("a", b"mine")
    assert storage.read("a") == b"mine"


@pytest.mark.parametrize("trouble", ["503", "drop"])
def test_a_create_that_failed_does_not_take_anothers_object_for_its_own(s3, trouble):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    storage.create("a", b"the same bytes")
    s3.trouble = times(1, trouble, "PUT")
    with pytest.raises(AlreadyExists):
        storage.create("a", b"the same bytes")


def test_a_body_cut_short_is_fetched_again(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    storage.write("a", b"0123456789" * 100)
    s3.trouble = times(2, "short", "GET")
    assert storage.read("a") == b"0123456789" * 100


def test_a_store_that_ignores_the_condition_is_found_out(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    s3.trouble = lambda environ: "unconditional"
    assert not honours_create(storage)
    assert list(storage.list()) == []


def test_listings_are_fresh_and_longer_than_a_page(s3):
    storage = Storage.open("s3://archive/x", StorageSettings(retry=QUICK))
    other = pickle.loads(pickle.dumps(storage))
    names = [f"{number:04d}" for number in range(1005)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: other.write(name, b""), names))
    assert sorted(storage.list()) == names
    other.write("later", b"1")
    assert storage.exists("later")
    assert len(list(storage.list())) == 1006


@pytest.mark.parametrize("trouble", [None, "403", "503", "drop", "page"])
def test_errors_and_the_log_show_no_secrets_of_a_uri(s3, caplog, trouble):
    caplog.set_level("DEBUG", "pasd_batch")
    s3.trouble = lambda environ: trouble
    with pytest.raises(StorageError) as error:
        read_uri("s3://archive/a.jpg?sig=HUSH&jwt=HUSH", StorageSettings(retry=QUICK))
    told = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]  # the server of the test
    assert ("s3://archive/a.jpg?sig=***&jwt=***" in str(error.value)) == (trouble != "page")
    assert "HUSH" not in "\n".join([str(error.value), *told])


def test_a_dead_server_is_a_passing_trouble(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    retry = QUICK.model_copy(update={"timeout": 4.0})  # another timeout, another client
    with pytest.raises(TransientStorageError, match="check the network"):
        Storage.open("s3://archive", StorageSettings(retry=retry)).read("a")
