"""Answers over the network that are not what was asked for: of a proxy, cut short, changed on the way."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from other_answers import PAGE, times
from quick_retry import QUICK

from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.answers import require_no_page
from pasd_batch.storage.reading import open_for_reading, read_uri
from pasd_batch.storage.storage import Storage, TransientStorageError

DATA = bytes(range(256)) * 40
PAGES = ["page", "page with ETag", "error body"]
CHANGES = [*PAGES, "short", "flipped", "flipped without checksum", "503", "drop"]


@pytest.fixture
def storage(s3):
    storage = Storage.open("s3://archive", StorageSettings(retry=QUICK))
    storage.write("a", DATA)
    return storage


# Servers with a bucket of their own are what takes time here: a test goes through all troubles with one.
def test_what_is_not_the_object_is_asked_for_again(s3, storage):
    for trouble in CHANGES:
        s3.trouble = times(3, trouble, "GET")
        assert storage.read("a") == DATA, trouble
        s3.trouble = times(3, trouble, "GET")
        assert read_uri("s3://archive/a", StorageSettings(retry=QUICK)) == DATA, trouble


def test_what_is_never_the_object_is_trouble_of_the_storage(s3, storage):
    for trouble in CHANGES:
        s3.trouble = lambda environ, trouble=trouble: trouble
        with pytest.raises(TransientStorageError, match="gave up after 4 tries"):
            storage.read("a")


def test_a_page_that_was_stored_is_an_object_like_others(s3, storage):
    storage.write("page", PAGE)
    assert storage.read("page") == PAGE


def test_an_encrypted_object_is_not_measured_by_its_etag(s3, storage, monkeypatch):
    # Its ETag is no MD5; told by the headers that the store sends with it.
    s3.trouble = lambda environ: "flipped without checksum"
    call = storage.files.filesystem._call_s3

    async def encrypted(method, *arguments, **options):
        return {**await call(method, *arguments, **options), "ServerSideEncryption": "aws:kms"}

    monkeypatch.setattr(storage.files.filesystem, "_call_s3", encrypted)
    assert len(storage.read("a")) == len(DATA)


def test_a_write_that_only_a_proxy_saw_is_made_again(s3, storage):
    for trouble in ("page", "error body"):
        for operation in (storage.write, storage.create):
            s3.trouble = times(2, trouble, "PUT")
            operation(f"{trouble} by {operation.__name__}", DATA)
            assert storage.read(f"{trouble} by {operation.__name__}") == DATA
        s3.trouble = lambda environ, trouble=trouble: trouble
        with pytest.raises(TransientStorageError, match=r"not that of an S3 store|SlowDown"):
            storage.write("b", DATA)
    s3.trouble = lambda environ: None
    assert not storage.exists("b")


def test_a_page_is_no_empty_listing_and_no_object(s3, storage):
    for trouble in PAGES:
        s3.trouble = times(3, trouble, "GET")
        assert list(storage.list()) == ["a"], trouble
    for trouble in ("page", "error body"):
        s3.trouble = times(3, trouble, "HEAD")
        assert not storage.exists("b"), trouble


def test_parts_of_an_object_are_asked_for_again_too(s3, storage):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"number": range(1000)}), buffer)
    storage.write("table", buffer.getvalue())
    for trouble in (*PAGES, "short", "503", "drop"):
        s3.trouble = times(2, trouble, "GET")
        with open_for_reading("s3://archive/table", StorageSettings(retry=QUICK)) as file:
            assert pq.read_table(file)["number"].to_pylist() == list(range(1000)), trouble


@pytest.mark.parametrize("data", [b" <!DOCTYPE html>\n", b"<?xml version='1.0'?>\n<Error><Code>X</Code></Error>", PAGE])
def test_pages_are_told_by_type_and_content(data):
    for kind in ("text/html; charset=utf-8", "application/xml", ""):
        with pytest.raises(TransientStorageError, match="a web page or an error message"):
            require_no_page(kind, bytearray(data), shown="a")
    require_no_page("image/png", bytearray(data), shown="a")
    require_no_page("text/html", bytearray(b"uri,prompt\n/a.jpg,<html>\n"), shown="a")
