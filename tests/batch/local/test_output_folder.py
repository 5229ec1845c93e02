import threading

import pytest

from pasd_batch.batch.local.output_folder import OutputFolder
from pasd_batch.storage.errors import StorageError
from pasd_batch.storage.storage import Storage


def test_it_ends_when_what_is_being_written_is_whole_and_takes_nothing_more(tmp_path, monkeypatch):
    write, begun, go_on = Storage.write, threading.Event(), threading.Event()

    def slow(storage, path, data):
        begun.set()
        assert go_on.wait(30)
        write(storage, path, data)

    monkeypatch.setattr(Storage, "write", slow)
    folder = OutputFolder(str(tmp_path))
    writer = threading.Thread(target=folder.store, args=("sub/a.png", b"photo", None))
    with folder:
        writer.start()
        assert begun.wait(30)
        threading.Timer(0.1, go_on.set).start()
    assert (tmp_path / "sub" / "a.png").read_bytes() == b"photo"
    writer.join()
    with pytest.raises(StorageError, match=r"b\.png: the restoration has ended"):
        folder.store("b.png", b"photo", None)
    assert [path.name for path in (tmp_path).rglob("*.*")] == ["a.png"]
