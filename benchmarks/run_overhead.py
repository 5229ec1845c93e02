"""Photos per second of a whole run against a bare loop over the same restorer and scorer, on this machine.

The bare loop is one process with the photos already decoded in memory: it restores and scores, and does nothing else.
A second loop also reads, decodes, encodes and writes each photo, one after the other, as a script would. The run has
one worker with as many threads, and does all of it: fetching, decoding, encoding, storing, committing.

    python benchmarks/run_overhead.py
    python benchmarks/run_overhead.py --photos 256 --shard-size 32 --side 512 --steps 20 --tile-batch 4 \\
        --device cuda --dtype bfloat16 --full --gpus 1

The three take turns, in another order each round, so that what else the machine does falls on all of them. Rates are
those from the second shard on, until the last one is committed; what comes before (starting Ray, checks, planning,
loading models) is said by itself. Weights are random, which does not matter for speed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from pasd_batch.batch.worker.batching import photo_batch
from pasd_batch.config.run import RunSettings
from pasd_batch.photos.photo import Photo, to_tensor, with_restored_image
from pasd_batch.records import PhotoFailure


@dataclass(frozen=True)
class Pace:
    """How fast one way of working was, from the second shard on."""

    photos: int
    seconds: float
    model_seconds: float
    """Spent in the restorer and the scorer."""
    until_then: float
    """Seconds until the first shard was done."""

    @property
    def rate(self) -> float:
        """Photos in a second."""
        return self.photos / self.seconds

    @classmethod
    def of_all(cls, rounds: "Sequence[Pace]") -> "Pace":
        """All rounds as one; the start is their mean."""
        return cls(
            sum(each.photos for each in rounds),
            sum(each.seconds for each in rounds),
            sum(each.model_seconds for each in rounds),
            sum(each.until_then for each in rounds) / len(rounds),
        )


def main() -> None:
    options = parse_arguments()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    # Ray's workers give way to all others unless told not to, and here others may be at work.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (its name)
    ways = {"bare loop": bare_loop, "loop with files": loop_with_files, "whole run": whole_run}
    paces: dict[str, list[Pace]] = {name: [] for name in ways}
    size = f"{options.side}x{options.side}"
    print(f"{options.photos} photos of {size}, shards of {options.shard_size}, {options.threads} thread(s)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), options)
        for number in range(options.rounds):
            for name in list(ways) if number % 2 == 0 else reversed(ways):
                settings = run_settings(Path(folder), number, options)
                paces[name].append(in_new_process(ways[name], settings))
                print(f"round {number}: {name:16}{described(paces[name][-1], paces['bare loop'])}", flush=True)
    for name, rounds in paces.items():
        print(f"together: {name:16}{described(Pace.of_all(rounds), paces['bare loop'])}")
    # What else the machine does can only slow down: the fastest rounds have the least of it.
    fastest = {name: max(rounds, key=lambda pace: pace.rate) for name, rounds in paces.items()}
    for name, pace in fastest.items():
        print(f"fastest: {name:17}{described(pace, [fastest['bare loop']])}")


def described(pace: Pace, bare: Sequence[Pace]) -> str:
    """One line of the output; the share is of all the `bare` rounds together."""
    share = f"{pace.rate / Pace.of_all(bare).rate:7.1%} of the bare loop, " if bare else ""
    return (
        f"{pace.rate:8.3f} photos/s, {share}{pace.model_seconds / pace.seconds:6.1%} of the time in the model, "
        f"{pace.until_then:6.1f} s until its first shard was done"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--shard-size", type=int, default=16)
    parser.add_argument("--side", type=int, default=128, help="photo side in pixels")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, in all of them")
    parser.add_argument("--photo-batch", type=int, default=4, help="photos restored together, in all of them")
    parser.add_argument("--tile-batch", type=int, default=1, help="tiles through the networks together, in all of them")
    parser.add_argument("--full", action="store_true", help="networks of the published size")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--gpus", type=float, default=0.0)
    return parser.parse_args()


def prepare(folder: Path, options: argparse.Namespace) -> None:
    """Photos and a model in `folder`."""
    from pasd_batch.pasd.untrained import STABLE_DIFFUSION_15, TINY, save_untrained

    save_untrained(folder / "model", STABLE_DIFFUSION_15 if options.full else TINY, seed=0)
    (folder / "in").mkdir()
    for number in range(options.photos):
        save_photo(folder / "in" / f"{number:05d}.jpg", options.side, number)


def run_settings(folder: Path, number: int, options: argparse.Namespace) -> RunSettings:
    """The settings of one round's run; the loops go by them too."""
    model = {"base": folder / "model", "control": folder / "model", "device": options.device, "dtype": options.dtype}
    sampling = {"steps": options.steps, "min_short_side": 64, "tiling": {"tile_batch": options.tile_batch}}
    return RunSettings.parse(
        {
            "manifest": {"path": str(folder / "in")},
            "output": {"root": str(folder / f"run{number}")},
            "shard_size": options.shard_size,
            "workers": {
                "max": 1,
                "cpus": options.threads,
                "gpus": options.gpus,
                "photo_batch": options.photo_batch,
                "prefetch": 2 * options.photo_batch,
            },
            "restoration": {"model": model, "sampling": sampling},
        }
    )


def save_photo(path: Path, side: int, seed: int) -> None:
    """A photo with detail at every scale, so that encoding it is as much work as a real one."""
    random = np.random.default_rng(seed)
    layers = [
        random.normal(size=(-(-side // step), -(-side // step), 3)).repeat(step, 0).repeat(step, 1)
        for step in (1, 4, 16, 64)
    ]
    pixels = sum(layer[:side, :side] for layer in layers)
    Image.fromarray(np.uint8(np.clip(pixels * 24 + 128, 0, 255))).save(path, quality=92)


def bare_loop(settings: RunSettings) -> Pace:
    """Restore and score photos that are in memory."""
    from pasd_batch.photos.photo_io import decode_photo

    in_memory = {file: decode_photo(file.read_bytes()) for file in Path(settings.manifest.path).iterdir()}
    return loop(settings, in_memory.__getitem__, lambda file, photo: None)


def loop_with_files(settings: RunSettings) -> Pace:
    """Read, decode, restore, score, encode and write photos, one after the other."""
    from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo

    marker = RestorationMarker(software="benchmark", model="random", config_fingerprint="none")
    target = Path(f"{settings.output.root}-loop")
    target.mkdir()

    def write(file: Path, photo: Photo) -> None:
        data = encode_photo(photo, settings=settings.output.file, marker=marker)
        (target / file.with_suffix(".png").name).write_bytes(data)

    return loop(settings, lambda file: decode_photo(file.read_bytes()), write)


def loop(settings: RunSettings, read: Callable[[Path], Photo], write: Callable[[Path, Photo], None]) -> Pace:
    """Restore and score photo after photo in this process, in the run's batches."""
    from pasd_batch.batch.worker.models import ModelLoaders
    from pasd_batch.batch.worker.spec import photo_seed

    began = time.monotonic()
    models = ModelLoaders().load(settings)
    assert models.restorer is not None
    assert models.scorer is not None
    files = sorted(Path(settings.manifest.path).iterdir())
    first_shard_done, model_seconds = began, 0.0
    for start, batch in batches(files, settings):
        if start == settings.shard_size:
            first_shard_done, model_seconds = time.monotonic(), 0.0
        photos = [read(file) for file in batch]
        entered = time.monotonic()
        restored = models.restorer.restore(
            [to_tensor(photo) for photo in photos],
            prompts=[""] * len(batch),
            seeds=[photo_seed(0, file.name) for file in batch],
        )
        model_seconds += time.monotonic() - entered
        for file, photo, result in zip(batch, photos, restored, strict=True):
            assert not isinstance(result, PhotoFailure), result
            output = with_restored_image(photo, result.image)
            entered = time.monotonic()
            models.scorer.score(photo.pixels, output.pixels, None)
            model_seconds += time.monotonic() - entered
            write(file, output)
    ended = time.monotonic()
    measured = len(files) - settings.shard_size
    return Pace(measured, ended - first_shard_done, model_seconds, first_shard_done - began)


def batches(files: Sequence[Path], settings: RunSettings) -> Iterator[tuple[int, Sequence[Path]]]:
    """The run's batches, with the number of the first photo of each: none reaches over the end of a shard."""
    size = photo_batch(settings)
    for shard in range(0, len(files), settings.shard_size):
        end = min(len(files), shard + settings.shard_size)
        for start in range(shard, end, size):
            yield start, files[start : min(end, start + size)]


def whole_run(settings: RunSettings) -> Pace:
    """The run, as `pasd-batch run` does it, on a Ray of its own."""
    import ray

    from pasd_batch.batch.driver.run import ExitCode, run_archive
    from pasd_batch.runs.layout import result_path
    from pasd_batch.runs.run_folder import open_run

    began = time.time()
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    report = run_archive(settings, show_progress=False)
    assert report.exit_code is ExitCode.DONE, report.message
    ray.shutdown()
    run = open_run(settings.output.root)
    committed = {shard: Path(settings.output.root, result_path(shard)).stat().st_mtime for shard in run.committed()}
    first = min(committed, key=committed.__getitem__)
    rows = pa.concat_tables(run.rows(["shard", "status", "seconds"])).to_pylist()
    assert all(row["status"] == "ok" for row in rows), "photos failed"
    later = [row["seconds"] for row in rows if row["shard"] != first]
    model_seconds = sum(seconds["restore"] + seconds["score"] for seconds in later)
    window = max(committed.values()) - committed[first]
    return Pace(len(later), window, model_seconds, committed[first] - began)


def in_new_process(way: Callable[[RunSettings], Pace], settings: RunSettings) -> Pace:
    """Run one way in a process of its own, so that each starts alike."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(way, settings).result()


if __name__ == "__main__":
    main()
