"""Nearness of a student in few steps to its teacher in many, before and after distillation, on photos it has not seen.

    python benchmarks/distillation.py pasd_batch/weights/pasd-tiny trained/student PHOTOS

START and STUDENT are model folders that carry their base. Of each photo in PHOTOS the middle square is degraded as a
training does and restored with one seed: by the start in many DDIM steps (the teacher), by the start in few, and by the
student in few. Prints means of their distances to the teacher in dB.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from degraded_photos import degraded_pairs

from pasd_batch import Restorer, RestoreSettings
from pasd_batch.metrics.fidelity import psnr
from pasd_batch.pasd.restorer import Restoration


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("start", type=Path)
    parser.add_argument("student", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=8, help="photos, spread over the folder (default 8)")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=1, help="of the student")
    parser.add_argument("--teacher-steps", type=int, default=4)
    parser.add_argument("--guidance", type=float, default=1.0, help="of the teacher")
    options = parser.parse_args()
    pairs = degraded_pairs(options.photos, count=options.count, side=options.side, strength=1.0)
    photos = [torch.from_numpy(small).permute(2, 0, 1) for _, small in pairs]
    print("| alpha_a | start, dB to the teacher | student, dB to the teacher | nearer on |")
    print("|---:|---:|---:|---:|")
    for alpha_a in (0.0, 1.0):
        few = {"steps": options.steps, "guidance_scale": 1.0, "alpha_a": alpha_a}
        many = {"steps": options.teacher_steps, "guidance_scale": options.guidance, "alpha_a": alpha_a}
        taught = restored(options.start, photos, many)
        before, after = (
            [psnr(*each) for each in zip(restored(folder, photos, few), taught, strict=True)]
            for folder in (options.start, options.student)
        )
        nearer = sum(one < other for one, other in zip(before, after, strict=True))
        means = f"{np.mean(before):.2f} | {np.mean(after):.2f}"
        print(f"| {alpha_a:g} | {means} | {nearer} of {len(photos)} photos |", flush=True)


def restored(folder: Path, photos: list[torch.Tensor], sampling: dict[str, float]) -> list[np.ndarray]:
    """Photos restored at twice their size by DDIM from the last timestep on."""
    own = {"scheduler": "DDIMScheduler", "scheduler_options": {"timestep_spacing": "trailing"}, "scale": 2}
    tiling = {"tile_size": 32, "overlap": 8}
    given = {**own, **sampling, "added_prompt": "", "min_short_side": 8, "tiling": tiling}
    model = {"base": str(folder), "control": str(folder)}
    restorer = Restorer.from_settings(RestoreSettings.parse({"model": model, "sampling": given}))
    made = restorer.restore(photos, prompts=[""] * len(photos), seeds=range(len(photos)))
    return [each.image.permute(1, 2, 0).numpy() for each in made if isinstance(each, Restoration)]


if __name__ == "__main__":
    main()
