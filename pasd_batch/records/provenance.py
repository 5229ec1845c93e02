"""Provenance and origin of a result row: which configuration, manifest, model and process made it."""

from dataclasses import dataclass

import pyarrow as pa

from pasd_batch.records.columns import result_column


@dataclass(frozen=True)
class Provenance:
    """Provenance that a run's rows have in common: which configuration, manifest and model made them."""

    config_fingerprint: str = result_column(
        pa.string(), "Of the settings that decide what comes out; whole in `RUN/run.json`.", nullable=False
    )
    manifest_fingerprint: str = result_column(pa.string(), "Of the planned manifest.", nullable=False)
    model_fingerprint: str | None = result_column(
        pa.string(), "Of all weights, describers' included; null in `mode: score` and `audit`."
    )
    software: str = result_column(pa.string(), "Name and version of what made the row.", nullable=False)


@dataclass(frozen=True)
class WorkOrigin:
    """Origin of a row: the attempt, the shard and the process that made it."""

    shard: int = result_column(pa.int32(), "The shard it belongs to: `RUN/plan/shard-<shard>.parquet`.", nullable=False)
    attempt: int = result_column(
        pa.int32(),
        "Which attempt at the shard made the row, counted from 0. Above 0: an earlier one was interrupted.",
        nullable=False,
    )
    worker: str = result_column(pa.string(), "Host and process that made the row.", nullable=False)
    isolated: bool = result_column(
        pa.bool_(),
        "It was run in a process of its own, because the shard had ended its process too often.",
        nullable=False,
        default=False,
    )
    node_type: str | None = result_column(
        pa.string(),
        "Type of the worker's node: Ray's label `ray.io/node-group` (KubeRay's group of workers), else its "
        "`ray.io/accelerator-type`; null where Ray has neither. Prices may be set by it.",
        default=None,
    )
