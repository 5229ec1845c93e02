"""System calls that fail with an `errno` of choice, as those of a disk, mount or machine in trouble do."""

import builtins
import errno
import os

from pasd_batch.storage import local_files, partial_files

OPERATIONS = ("mkdir", "open", "write", "fsync", "link", "replace", "unlink", "list")
WRITING = OPERATIONS[:-1]


class FailingDisk:
    """Makes operations below `folder` fail: the first `times` calls of each of `operations`, with `number`."""

    def __init__(self, monkeypatch, folder, number, operations, times=10**6):
        self.failed = 0
        self._folder, self._number, self._left = str(folder), number, dict.fromkeys(operations, times)
        real_open = builtins.open

        def opened(path, mode="r", *arguments, **options):
            self.fail("open", path)
            file = real_open(path, mode, *arguments, **options)
            return _FailingFile(file, self, path) if "x" in mode else file

        for module in (local_files, partial_files):
            monkeypatch.setattr(module, "open", opened, raising=False)
        monkeypatch.setattr(os, "open", self._failing("open", os.open))
        monkeypatch.setattr(os, "mkdir", self._failing("mkdir", os.mkdir))
        monkeypatch.setattr(os, "link", self._failing("link", os.link))
        monkeypatch.setattr(os, "replace", self._failing("replace", os.replace))
        monkeypatch.setattr(os, "unlink", self._failing("unlink", os.unlink))
        monkeypatch.setattr(os, "scandir", self._failing("list", os.scandir))
        monkeypatch.setattr(os, "fsync", self._failing("fsync", os.fsync))

    def heal(self):
        self._left.clear()

    def fail(self, operation, path):
        here = isinstance(path, int) or str(path).startswith(self._folder)
        if here and self._left.get(operation, 0) > 0:
            self._left[operation] -= 1
            self.failed += 1
            raise OSError(self._number, os.strerror(self._number), None if isinstance(path, int) else str(path))

    def _failing(self, operation, call):
        def failing(path, *arguments, **options):
            self.fail(operation, path)
            return call(path, *arguments, **options)

        return failing


class _FailingFile:
    def __init__(self, file, disk, path):
        self._file, self._disk, self._path = file, disk, path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        self._file.write(data[: len(data) // 2])  # disks fill up half-way
        self._disk.fail("write", self._path)
        return self._file.write(data[len(data) // 2 :])

    def __getattr__(self, name):
        return getattr(self._file, name)


PASSING = {
    name: getattr(errno, name)
    for name in ("EROFS", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ENOTCONN", "ENODEV", "ENXIO", "EAGAIN")
}
"""What is no file's fault, and may pass."""

FULL = {name: getattr(errno, name) for name in ("ENOSPC", "EDQUOT")}
