"""Rows as a run commits them, with what every row has."""

from datetime import UTC, datetime


def row(number, **values):
    return {
        "photo_id": f"photo-{number}",
        "uri": f"/photos/{number}.jpg",
        "status": "ok",
        "config_fingerprint": "c",
        "manifest_fingerprint": "m",
        "software": "pasd_batch 0",
        "shard": 0,
        "attempt": 0,
        "worker": "w",
        "isolated": False,
        "finished_at": datetime.now(UTC),
        "album": "Röntgen",
        **values,
    }
