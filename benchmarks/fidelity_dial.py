"""Measures what the dial of fidelity does: photos degraded by seed, restored at several values of `sampling.fidelity`.

    python benchmarks/fidelity_dial.py PHOTOS                                          # the embedded model
    python benchmarks/fidelity_dial.py PHOTOS --set model.base=... --set model.control=... --set sampling.scale=2

PHOTOS is a folder; of each photo the middle square of --side pixels is degraded by Real-ESRGAN's chain, halved and
restored at twice the size. Prints a Markdown table of means: nearness to the input (the result scaled back), nearness
to the true photo, and quality without a reference. The curve of a table that was printed is drawn by

    python benchmarks/fidelity_dial.py --table TABLE.md --plot curve.png
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from degraded_photos import degraded_pairs

from pasd_batch import Restorer, RestoreSettings
from pasd_batch.config.base import with_overrides
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.fidelity import psnr, scaled_to
from pasd_batch.metrics.iqa import Metric, build_metrics
from pasd_batch.pasd.restorer import Restoration

VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--table", type=Path, help="Markdown with a table that was printed, to draw it")
    parser.add_argument("--plot", type=Path, help="picture of the table's curve")
    parser.add_argument("--count", type=int, default=12, help="photos, spread over the folder (default 12)")
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--strength", type=float, default=0.5, help="of the degradation, 0 to 1")
    parser.add_argument("--values", type=float, nargs="+", default=VALUES)
    parser.add_argument("--metric", action="append", dest="metrics", help="without a reference (default piqe)")
    parser.add_argument("--weights-dir", type=Path, help="of the metrics")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="key=value")
    options = parser.parse_args()
    if options.table and options.plot:
        _draw(*_read(options.table), options.plot)
        return
    if options.photos is None:
        parser.error("PHOTOS is needed, or --table and --plot")
    pairs = list(degraded_pairs(options.photos, count=options.count, side=options.side, strength=options.strength))
    chosen = MetricsSettings(
        no_reference=tuple(options.metrics or ["piqe"]), full_reference=(), weights_dir=options.weights_dir
    )
    metrics, _ = build_metrics(chosen)
    names = " | ".join(metric.name for metric in metrics)
    print(f"{len(pairs)} photos of {options.side} pixels, strength {options.strength:g}\n")
    print(f"| fidelity | alpha_a | guidance | kept | dB to the input | dB to the true photo | {names} |")
    print("|---:|---:|---:|---:|---:|---:|" + "---:|" * len(metrics))
    for value in options.values:
        print(_line(value, options.overrides, pairs, metrics), flush=True)


def _line(
    value: float, overrides: Sequence[str], pairs: Sequence[tuple[np.ndarray, np.ndarray]], metrics: Sequence[Metric]
) -> str:
    given = with_overrides({"sampling": {"scale": 2, "fidelity": value}}, overrides, RestoreSettings)
    restorer = Restorer.from_settings(RestoreSettings.parse(given))
    moved = RestoreSettings.parse(given).sampling.at_fidelity()
    scores = np.mean([_scores(restorer, number, *pair, metrics) for number, pair in enumerate(pairs)], axis=0)
    settings = (value, moved.alpha_a, moved.guidance_scale, moved.kept_frequencies)
    return "| " + " | ".join([*(f"{each:.3g}" for each in settings), *(f"{each:.2f}" for each in scores)]) + " |"


def _read(table: Path) -> tuple[list[str], list[list[float]]]:
    """Titles and numbers of the first table whose first column is `fidelity`."""
    lines = table.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| fidelity |"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[begin + 2 :])
    return _cells(lines[begin]), [[float(cell) for cell in _cells(row)] for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _draw(titles: Sequence[str], rows: Sequence[Sequence[float]], target: Path) -> None:
    """Draw every column that is none of the dial's own settings along the dial, each with an axis of its own."""
    from matplotlib import pyplot

    shown = [number for number, title in enumerate(titles) if title not in ("fidelity", "alpha_a", "guidance", "kept")]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(3 * len(shown), 2.6), layout="constrained")
    for axis, column in zip(np.atleast_1d(axes), shown, strict=True):
        axis.plot([row[0] for row in rows], [row[column] for row in rows], "o-", color="#2a6f97", markersize=4)
        axis.set(title=titles[column], xlabel="fidelity", xticks=[row[0] for row in rows])
        axis.title.set_size(9)
        axis.grid(alpha=0.3)
    figure.savefig(target, dpi=110)


def _scores(
    restorer: Restorer, seed: int, true: np.ndarray, small: np.ndarray, metrics: Sequence[Metric]
) -> list[float]:
    photo = torch.from_numpy(small).permute(2, 0, 1)
    (result,) = restorer.restore([photo], prompts=[""], seeds=[seed])
    assert isinstance(result, Restoration), result
    image = result.image.permute(1, 2, 0).numpy()
    back = scaled_to(image, height=small.shape[0], width=small.shape[1])
    return [psnr(back, small), psnr(image, true), *(metric(image) for metric in metrics)]


if __name__ == "__main__":
    main()
