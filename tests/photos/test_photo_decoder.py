"""Decoding in a process of its own: the same photo, an end at the deadline, memory bounded, crashes survived."""

import contextlib
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from photo_files import avif, heif, picture, saved, tiff
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoding_cost import check_cost
from pasd_batch.photos.photo_io import (
    CorruptPhoto,
    DecoderCrashed,
    PhotoDecoder,
    PhotoTooLarge,
    PhotoTooSlow,
    TruncatedPhoto,
    decode_photo,
)

LIMITS = DecodeLimits()


def progressive_bomb(scans=1500, side=4000):
    """A small file whose last scan is sent again and again, each a pass over all of a large picture."""
    data = saved(Image.new("RGB", (side, side), (90, 120, 150)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def started(monkeypatch):
    """The ids of the processes that decoders start."""
    from pasd_batch.photos import decoding_process as photo_decoder

    start, pids = photo_decoder.LinkedProcess.start, []

    def noted(*arguments):
        process = start(*arguments)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(photo_decoder.LinkedProcess, "start", noted)
    return pids


def test_photos_come_out_of_other_processes_as_they_would_here(started):
    decoder = PhotoDecoder()
    for data in (
        avif((picture().astype(np.uint16) << 2), bitspersample=10),
        heif(Image.fromarray(picture(64, 64, channels=4))),
        saved(Image.fromarray(picture()), "TIFF", compression="jpeg"),
    ):
        apart, here = decoder.decode(data, limits=LIMITS), decode_photo(data)
        np.testing.assert_array_equal(apart.pixels, here.pixels)
        assert (apart.alpha is None) == (here.alpha is None)
        assert apart.pixels.flags.writeable
        assert (apart.metadata, apart.warnings, apart.bit_depth) == (here.metadata, here.warnings, here.bit_depth)
    assert len(started) == 1, "one process for one photo after the other"


def test_small_photos_are_decoded_here(started):
    PhotoDecoder().decode(saved(Image.fromarray(picture()), "JPEG"), limits=LIMITS, seconds=0.0)
    assert not started


def test_errors_come_back_as_what_they_are():
    data = saved(Image.fromarray(picture(200, 300)), "AVIF")
    with pytest.raises((CorruptPhoto, TruncatedPhoto), match="fetch it again"):
        PhotoDecoder().decode(data[: len(data) // 2], limits=LIMITS)


def test_a_deadline_ends_the_process(started):
    data, decoder = progressive_bomb(), PhotoDecoder()
    assert len(data) < 2_000_000
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        decoder.decode(data, limits=LIMITS, seconds=0.5)
    assert time.monotonic() - began < 10
    assert all(map(is_gone, started))
    assert decoder.decode(avif(picture()), limits=LIMITS).width == 40, "the next photo has another process"
    assert len(started) == 2


def test_the_limit_of_seconds_is_named(started):
    with pytest.raises(
        PhotoTooSlow, match=r"4000 x 4000 pixels took more .* 0\.5 s .* raise limits\.max_decode_seconds"
    ):
        PhotoDecoder().decode(progressive_bomb(), limits=DecodeLimits(max_decode_seconds=0.5), seconds=60.0)
    assert all(map(is_gone, started))


def test_more_memory_than_the_header_lets_expect_is_refused():
    data = tiff(np.zeros((7000, 7000, 3), np.uint16), photometric="rgb", compression="zlib", rowsperstrip=100)
    cost = replace(check_cost(data, LIMITS), nbytes=1 << 20, is_bounded=False)
    with pytest.raises(PhotoTooLarge, match="takes more than 257 MiB, though its header lets expect 1"):
        PhotoDecoder().decode(data, limits=LIMITS, cost=cost)


def test_a_decoder_that_crashes_fails_its_photo_alone(started):
    stop = threading.Event()

    def crash():
        while not stop.is_set():
            for pid in started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSEGV)
            time.sleep(0.02)

    crashing = threading.Thread(target=crash)
    crashing.start()
    decoder = PhotoDecoder()
    try:
        with pytest.raises(DecoderCrashed, match=r"process 2 times .signal SIGSEGV; signal SIGSEGV"):
            decoder.decode(progressive_bomb(), limits=LIMITS)
    finally:
        stop.set()
        crashing.join()
    assert decoder.decode(avif(picture()), limits=LIMITS).width == 40
