"""Photos on their way in: the memory that they share while they are decoded, and deadlines that end decoding."""

import io
import os
import threading
import time
from dataclasses import dataclass, field

import pytest
from degraded import jpeg_bytes, noisy, photographs
from photo_archive import picture, record, results, settings, spec, state, store_photos, write_plan
from PIL import Image

from pasd_batch.batch.worker.photo_loader import PhotoLoader
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.photos import decoding_process as photo_decoder
from pasd_batch.photos.photo_io import PhotoDecoder

PHOTOS = 8


@dataclass
class WatchedDecoder(PhotoDecoder):
    """Waits until as many photos as `together` are decoded at once, and notes how long each may take."""

    together: threading.Barrier
    seconds: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def decode(self, data, *, limits, page=None, cost=None, seconds=None):
        with self.lock:
            self.seconds.append(seconds)
            self.running += 1
            self.most = max(self.most, self.running)
        self.together.wait(60)
        with self.lock:
            self.running -= 1
        return PhotoDecoder().decode(data, limits=limits, page=page, cost=cost)


def states(folder, count=PHOTOS):
    store_photos(folder, {f"{number}.png": picture(number) for number in range(count)})
    return [state(folder / f"{number}.png", row=number) for number in range(count)]


def photo_loader(root, decoder, **changes):
    return PhotoLoader(spec(settings(root, **changes)).settings, decoder)


def loaded_in_threads(photos, found):
    threads = [threading.Thread(target=photos.load, args=(state,)) for state in found]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize(("mib", "at_once"), [(1, 1), (12, 2), (1024, PHOTOS)])
def test_photos_that_are_decoded_at_once_share_one_budget(tmp_path, mib, at_once):
    """Each takes between 4 and 6 MiB."""
    decoder = WatchedDecoder(threading.Barrier(at_once))
    photos = photo_loader(tmp_path / "run", decoder, workers={"prefetch_mib": mib})
    for thread in loaded_in_threads(photos, states(tmp_path / "in")):
        thread.join()
    assert len(decoder.seconds) == PHOTOS
    assert decoder.most == at_once


def test_waiting_for_memory_does_not_count_against_the_deadline(tmp_path):
    decoder = WatchedDecoder(threading.Barrier(1))
    photos = photo_loader(tmp_path / "run", decoder, workers={"prefetch_mib": 1}, deadlines={"fetch": 60})
    (state,) = states(tmp_path / "in", 1)
    with photos.memory.taking(1):
        (thread,) = loaded_in_threads(photos, [state])
        time.sleep(2.0)
        assert not decoder.seconds
        assert state.waited > 0.5, "while it waits, too"
    thread.join()
    assert state.waited < 2.5
    assert decoder.seconds[0] > 60 - 1.5


def bomb(side=4000, scans=1500):
    """A small JPEG whose last scan comes again and again, each a pass over all of a large picture."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 150)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * scans + data[-2:]


@pytest.mark.parametrize(
    ("changes", "error", "setting"),
    [
        ({"deadlines": {"fetch": 3}}, "DeadlineExceeded", "3 s; raise deadlines.fetch"),
        ({"limits": {"max_decode_seconds": 1}}, "PhotoTooSlow", "1 s and was ended; raise limits.max_decode_seconds"),
    ],
)
def test_a_photo_that_decodes_for_too_long_fails_and_its_process_ends(tmp_path, monkeypatch, changes, error, setting):
    start, started = photo_decoder.LinkedProcess.start, []

    def noted(*arguments):
        process = start(*arguments)
        started.append(process.pid)
        return process

    monkeypatch.setattr(photo_decoder.LinkedProcess, "start", noted)
    store_photos(tmp_path / "in", {"a.png": picture(0), "bomb.jpg": bomb(), "b.png": picture(1)})
    write_plan(tmp_path / "run", [record(tmp_path / "in" / name) for name in ("a.png", "bomb.jpg", "b.png")])
    outcome = ShardWorker(spec(settings(tmp_path / "run", **changes))).run(0)
    assert (outcome.state, outcome.photos, outcome.failed) == (ShardState.COMMITTED, 3, 1)
    row = results(tmp_path / "run")["bomb.jpg"]
    assert (row["error_stage"], row["error_type"]) == ("decode", error)
    assert setting in row["error_message"]
    (pid,) = started
    until = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_row_says_what_is_wrong_with_the_photo_as_fetched(tmp_path):
    pixels = noisy(photographs()["astronaut"], 10)
    store_photos(tmp_path, {"a.jpg": jpeg_bytes(pixels, 97, subsampling=0), "b.png": picture(1)})
    photos = photo_loader(tmp_path / "run", PhotoDecoder())
    for name in ("a.jpg", "b.png"):
        photos.load(found := state(tmp_path / name, row=0))
        row = found.row.values()
        if name == "a.jpg":
            assert row["noise_sigma"] == pytest.approx(10, rel=0.15)  # compression takes a little of it
            assert 0 < row["blur_sigma"] < 1
            assert row["jpeg_quality"] == 97
        else:
            assert row["jpeg_quality"] is None
