"""`RUN/run.json`: what a run is, written once when it begins; who resumes it must mean the same run."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pasd_batch.config.photos import OutputSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.records import Provenance, ScoreColumn
from pasd_batch.runs.damage import damaged, parsing, read_json
from pasd_batch.runs.layout import RUN_FILE, WORK_FOLDERS
from pasd_batch.runs.run_differences import differences_between
from pasd_batch.storage.redaction import redact_uri, redacted
from pasd_batch.storage.storage import AlreadyExists, NotFound, Storage

FORMAT = 1

_PACKAGES = ("torch", "diffusers", "transformers", "ray", "pyarrow", "numpy", "pillow", "pyiqa")


class AnotherRun(PasdBatchError):
    """The folder belongs to a run with another configuration, manifest or model; the message is their difference."""


@dataclass(frozen=True)
class RunFile:
    """A run's identity and size."""

    config: dict[str, Any]
    """The settings that decide what comes out."""
    config_fingerprint: str
    manifest: str
    """Path of the manifest, without credentials; for people."""
    manifest_fingerprint: str
    model_fingerprint: str | None
    photos: int
    shards: int
    score_columns: tuple[ScoreColumn, ...]
    software: dict[str, str]
    created_at: str = ""
    format: int = FORMAT
    settings: dict[str, Any] = field(default_factory=dict)
    """All settings of the driver that began the run; for people."""
    weights: dict[str, str] = field(default_factory=dict)
    """Names of weights that may come to mean others, each with the commit that it meant when the run began."""

    @property
    def lists_photos(self) -> bool:
        """The run began with photos themselves as its manifest, and keeps the list of them."""
        return "manifest" in self.config

    @property
    def stored_passes(self) -> int:
        """Number of passes before the last whose results the run stores."""
        stores = self.config.get("output", {}).get("passes", False)
        return len(self.config["restoration"]["passes"]) - 1 if stores else 0

    @property
    def background(self) -> tuple[int, ...]:
        """Colour, as 8-bit levels, that reports show transparent photos on, and that results have under it in JPEG."""
        return tuple(self.config.get("output", {}).get("file", {}).get("background", OutputSettings().background))

    @property
    def prices(self) -> float | dict[str, float] | None:
        """`workers.price_per_hour` of the driver that began the run."""
        return self.settings.get("workers", {}).get("price_per_hour")

    @property
    def provenance(self) -> Provenance:
        """Provenance that the run's rows hold."""
        return Provenance(
            config_fingerprint=self.config_fingerprint,
            manifest_fingerprint=self.manifest_fingerprint,
            model_fingerprint=self.model_fingerprint,
            software=f"pasd_batch {self.software['pasd-batch']}",
        )


def describe_run(
    settings: RunSettings,
    *,
    manifest_fingerprint: str,
    photos: int,
    model_fingerprint: str | None,
    score_columns: tuple[ScoreColumn, ...],
    lists_photos: bool = False,
    weights: Mapping[str, str] | None = None,
) -> RunFile:
    """The run that these settings mean, begun now.

    A run that `lists_photos` keeps the list it began with, so another folder shows in nothing but its name.
    """
    config = settings.decisive()
    if lists_photos:
        config["manifest"] = {"path": redact_uri(settings.manifest.path)}
    return RunFile(
        config=config,
        config_fingerprint=fingerprint(config),
        manifest=redact_uri(settings.manifest.path),
        manifest_fingerprint=manifest_fingerprint,
        model_fingerprint=model_fingerprint,
        photos=photos,
        shards=number_of_shards(photos, settings.shard_size),
        score_columns=score_columns,
        software=software_versions(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=redacted(settings.model_dump(mode="json")),
        weights=dict(weights or {}),
    )


def number_of_shards(photos: int, shard_size: int) -> int:
    """Shards that so many photos make."""
    return -(-photos // shard_size)


def read_run(storage: Storage) -> RunFile | None:
    """The run at `storage`; None if none has begun there.

    Raises:
        AnotherRun: it was made by a version that writes another format.
        RunDamaged: `run.json` is damaged.
        StorageError: it cannot be read.
    """
    try:
        values = read_json(storage, RUN_FILE)
    except NotFound:
        return None
    if not isinstance(values.get("format"), int):
        raise damaged(storage, RUN_FILE, "is no run file, which has a number as its `format`")
    if values["format"] != FORMAT:
        raise AnotherRun(
            f"{storage.uri(RUN_FILE)} has format {values.get('format')}, this version reads {FORMAT}; "
            f"use the version that began the run: {values.get('software')}"
        )
    with parsing(storage, RUN_FILE):
        values["score_columns"] = tuple(ScoreColumn(**column) for column in values["score_columns"])
        return RunFile(**values)


def refuse_strangers(storage: Storage) -> None:
    """Make sure that a run which has not begun would not mix with files of others.

    Raises:
        AnotherRun: there are such files.
        StorageError: the place cannot be looked at.
    """
    for folder in WORK_FOLDERS:
        stranger = next(iter(storage.list(folder)), None)
        if stranger is not None and not storage.exists(RUN_FILE):  # else another driver has begun meanwhile
            raise AnotherRun(
                f"{redact_uri(storage.uri())} has files ({stranger}) but no {RUN_FILE}; give the run a folder of its "
                "own with output.root, or empty this one; if it is a run whose run.json was lost, "
                f"`pasd-batch verify {redact_uri(storage.uri())} --repair --config CONFIG` makes that again"
            )


def claim_run(storage: Storage, wanted: RunFile) -> RunFile:
    """Begin the run `wanted` at `storage`, or join it if it has begun; the run as it is written there.

    Raises:
        AnotherRun: another run is there; the message is the difference.
        StorageError: it cannot be written.
    """
    if read_run(storage) is None:
        refuse_strangers(storage)
        try:
            storage.create(RUN_FILE, json.dumps(asdict(wanted), indent=2, sort_keys=True).encode())
        except AlreadyExists:
            pass  # another driver has begun it just now; whether it means the same is seen below
        else:
            return wanted
    existing = read_run(storage)
    assert existing is not None
    refuse_another(storage, existing, wanted)
    return existing


def refuse_another(storage: Storage, existing: RunFile, wanted: RunFile) -> None:
    """Make sure that the run at `storage` is the one that is wanted.

    Raises:
        AnotherRun: it is not; the message is the difference.
    """
    differences = "\n".join(f"  {each.line('in the run', 'now')}" for each in differences_between(existing, wanted))
    if differences:
        raise AnotherRun(
            f"{redact_uri(storage.uri())} belongs to a run begun {existing.created_at} that differs:\n{differences}\n"
            "resume it with its own settings, or give this one another output.root"
        )


def fingerprint(values: Mapping[str, Any]) -> str:
    """A hash of plain values, the same for the same values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def software_versions() -> dict[str, str]:
    """Versions of this package, of Python, and of what the results depend on."""
    versions = {"pasd-batch": version("pasd-batch"), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
