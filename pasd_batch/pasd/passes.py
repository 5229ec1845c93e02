"""Several passes over photos: each restorer restores the results of the one before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor

from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.color_reference import Palette
from pasd_batch.pasd.colorization import color_prompt
from pasd_batch.pasd.models import Models, load_models
from pasd_batch.pasd.regions import PhotoRegions
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.sampling import StepCallback
from pasd_batch.pasd.seeds import derived_seed
from pasd_batch.records import PhotoFailure, RestorationReport


class MultiPassRestorer:
    """Restorers in order, with the interface of one; results between passes are not rounded to a file's bit depth."""

    def __init__(self, restorers: Sequence[Restorer], *, keep_earlier: bool = False) -> None:
        self.restorers = tuple(restorers)
        self._keep_earlier = keep_earlier

    @classmethod
    def from_settings(cls, settings: RestorationSettings, *, keep_earlier: bool = False) -> "MultiPassRestorer":
        """Load the networks of all passes; those with the same model share it.

        Args:
            settings: of all passes.
            keep_earlier: give restorations the results of the passes before the last, too.

        Raises:
            CheckpointError, ValueError: as `Restorer.from_settings`.
        """
        loaded: dict[ModelSettings, Models] = {}
        restorers = []
        for each in settings.in_order:
            if each.model not in loaded:
                loaded[each.model] = load_models(each.model)
            restorers.append(Restorer(loaded[each.model], each))
            restorers[-1].warm_up()
        return cls(restorers, keep_earlier=keep_earlier)

    def restore(
        self,
        photos: Sequence[Tensor],
        *,
        prompts: Sequence[str],
        seeds: Sequence[int],
        samplings: Sequence[SamplingSettings] | None = None,
        palettes: Sequence[Palette | None] | None = None,
        regions: Sequence[PhotoRegions | None] | None = None,
        on_step: StepCallback | None = None,
    ) -> list[Restoration | PhotoFailure]:
        """Restore photos of any sizes, in their order; a photo's result does not depend on its neighbours.

        Args:
            photos, prompts, seeds: as `Restorer.restore`; each pass has noise of its own from a photo's seed.
            samplings: settings of each photo for the last pass; None: those of its restorer.
            palettes: as `Restorer.restore`, applied in the last pass.
            regions: as `Restorer.restore`, in pixels of the input photos, for all passes.
            on_step: as `Restorer.restore`, counted over all passes.
        """
        of_last = [self.restorers[-1].settings.sampling for _ in photos] if samplings is None else samplings
        palettes = [None for _ in photos] if palettes is None else palettes
        steps = [restorer.settings.sampling.steps for restorer in self.restorers[:-1]]
        steps.append(max((sampling.steps for sampling in of_last), default=0))
        outcomes: dict[int, Restoration | PhotoFailure] = {}
        images, prompts = dict(enumerate(photos)), list(prompts)
        for number, restorer in enumerate(self.restorers):
            if not images:
                break
            is_last = number == len(self.restorers) - 1
            with _named(number, len(self.restorers)):
                made = restorer.restore(
                    list(images.values()),
                    prompts=[prompts[each] for each in images],
                    seeds=[pass_seed(seeds[each], number) for each in images],
                    samplings=[of_last[each] for each in images] if is_last else None,
                    palettes=[palettes[each] for each in images] if is_last else None,
                    regions=None if regions is None else [regions[each] for each in images],
                    on_step=_counted(on_step, sum(steps[:number]), sum(steps[number + 1 :])),
                )
            for each, outcome in zip(list(images), made, strict=True):
                outcomes[each] = self._after(outcomes.get(each), outcome, _name(number, len(self.restorers)))
            images = {each: outcome.image for each, outcome in outcomes.items() if isinstance(outcome, Restoration)}
            if restorer.settings.sampling.colorize:
                # The result is in colour; prompts of later passes must not ask for grey.
                prompts = [color_prompt(prompt) for prompt in prompts]
        return [outcomes[number] for number in range(len(photos))]

    def _after(
        self, before: Restoration | PhotoFailure | None, outcome: Restoration | PhotoFailure, name: str
    ) -> Restoration | PhotoFailure:
        """The outcome of a pass, with the counts of earlier passes added to its report; a failure names the pass."""
        if isinstance(outcome, PhotoFailure):
            return replace(outcome, message=f"{name}: {outcome.message}")
        outcome = replace(outcome, warnings=tuple(f"{name}: {each}" for each in outcome.warnings))
        if not isinstance(before, Restoration):
            return outcome
        report = replace(
            outcome.report,
            tiles=before.report.tiles + outcome.report.tiles,
            out_of_memory_retries=before.report.out_of_memory_retries + outcome.report.out_of_memory_retries,
            float32_retry=before.report.float32_retry or outcome.report.float32_retry,
            **_weak_tiles(before.report, outcome.report),
        )
        earlier = (*before.earlier, before.image) if self._keep_earlier else ()
        return replace(outcome, report=report, warnings=before.warnings + outcome.warnings, earlier=earlier)


def _weak_tiles(before: RestorationReport, last: RestorationReport) -> dict[str, Any]:
    """Combined weak tiles of the passes that checked for them."""
    tiles = [each.weak_tiles for each in (before, last) if each.weak_tiles is not None]
    checks = [each.weak_checks for each in (before, last) if each.weak_checks is not None]
    kept = [each.second_try_kept for each in (before, last) if each.second_try_kept is not None]
    return {
        "weak_tiles": sum(tiles) if tiles else None,
        "weak_checks": tuple(dict.fromkeys(name for names in checks for name in names)) if checks else None,
        "second_try_kept": any(kept) if kept else None,
    }


def pass_seed(seed: int, number: int) -> int:
    """Seed of a pass, counted from 0, in [0, 2**63): the photo's own for the first, a derived one for the others."""
    if number == 0:
        return seed
    return derived_seed(seed, f"pass {number}")


@contextmanager
def _named(number: int, passes: int) -> Iterator[None]:
    """Add the name of a pass to exceptions of a block."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in {_name(number, passes)}")
        raise


def _name(number: int, passes: int) -> str:
    return f"pass {number + 1} of {passes}"


def _counted(on_step: StepCallback | None, before: int, behind: int) -> StepCallback | None:
    """Callback for one pass that reports steps over all passes."""
    if on_step is None:
        return None
    return lambda done, total: on_step(before + done, before + total + behind)
