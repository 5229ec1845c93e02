"""Protocols: fixed choices of scores, so that the numbers of two evaluations mean the same."""

from dataclasses import dataclass

from pasd_batch.config.evaluation import EvaluationSettings, ProtocolName
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.metrics.grid import GRID_SCORES
from pasd_batch.metrics.periodic_pattern import GRID_BOUND
from pasd_batch.metrics.set_metric import SET_METRICS
from pasd_batch.metrics.weights import METRIC_NEEDS


@dataclass(frozen=True)
class TableColumn:
    """A score as it stands in a table."""

    name: str
    """Name of the metric."""

    title: str
    decimals: int = 3
    bound: float | None = None
    """Most that the mean may be, where no value is the best."""


@dataclass(frozen=True)
class Protocol:
    """Scores of an evaluation, sorted by what they compare."""

    name: ProtocolName
    columns: tuple[TableColumn, ...]

    @property
    def of_sets(self) -> tuple[str, ...]:
        """Metrics of whole sets."""
        return tuple(each.name for each in self.columns if each.name in SET_METRICS)

    @property
    def full_reference(self) -> tuple[str, ...]:
        """Metrics of a photo against the true one."""
        return tuple(each.name for each in self.columns if compares(each.name))

    @property
    def no_reference(self) -> tuple[str, ...]:
        """Metrics of a photo alone."""
        rest = {*self.of_sets, *self.full_reference}
        return tuple(each.name for each in self.columns if each.name not in rest)


COLUMNS = {
    # TSD-SR's and OSEDiff's published evaluation, in the order of their tables.
    ProtocolName.FIELD: (
        TableColumn("psnr_ycbcr", "PSNR", 2),
        TableColumn("ssim_ycbcr", "SSIM", 4),
        TableColumn("lpips", "LPIPS", 4),
        TableColumn("dists", "DISTS", 4),
        TableColumn("fid", "FID", 2),
        TableColumn("niqe", "NIQE", 2),
        TableColumn("musiq", "MUSIQ", 2),
        TableColumn("maniqa-pipal", "MANIQA", 4),
        TableColumn("clipiqa", "CLIPIQA", 4),
    ),
    ProtocolName.PRODUCT: (
        TableColumn("psnr", "PSNR", 2),
        TableColumn("ssim", "SSIM"),
        TableColumn("ms_ssim", "MS-SSIM"),
        TableColumn("fsim", "FSIM"),
        TableColumn("gmsd", "GMSD"),
        TableColumn("vif", "VIF"),
        TableColumn("stlpips", "ST-LPIPS"),
        TableColumn("niqe", "NIQE", 2),
        TableColumn("piqe", "PIQE", 1),
        TableColumn("grid_flat", "grid, flat", 2, GRID_BOUND),
        TableColumn("grid_edges", "grid, edges", 2, GRID_BOUND),
    ),
}
"""All columns of each protocol."""


def protocol_of(settings: EvaluationSettings) -> Protocol:
    """The protocol of an evaluation, with what it adds and leaves out.

    Raises:
        EvaluationError: a metric that is added is not known, one that is left out is not in it, or none is left.
    """
    own = COLUMNS[settings.protocol]
    names = [column.name for column in own]
    if unknown := [name for name in settings.also if name not in METRIC_NEEDS and name not in SET_METRICS]:
        raise EvaluationError(f"also: {', '.join(unknown)} is not known here; docs/evaluation.md lists the metrics")
    if strange := sorted(settings.without - {*names, *settings.also}):
        raise EvaluationError(
            f"without: {', '.join(strange)} is not in protocol {settings.protocol}: {', '.join(names)}"
        )
    more = tuple(TableColumn(name, _title(name)) for name in settings.also if name not in names)
    columns = tuple(column for column in (*own, *more) if column.name not in settings.without)
    if not columns:
        raise EvaluationError("without leaves no metric of the protocol; leave out fewer")
    return Protocol(settings.protocol, columns)


def compares(name: str) -> bool:
    """True for a metric that needs the true photo."""
    return name in GRID_SCORES or (name in METRIC_NEEDS and METRIC_NEEDS[name].reference)


def _title(name: str) -> str:
    return SET_METRICS[name].title if name in SET_METRICS else name
