"""After the end of a driver: a webhook or a command is told how the run ended, which it cannot change any more."""

import hashlib
import hmac
import json
import logging
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.config.on_finish import OnFinishSettings, RunEnd
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import RetryPolicy
from pasd_batch.runs.cost import run_cost
from pasd_batch.runs.layout import RESULTS_FOLDER, SUMMARY_FILE
from pasd_batch.runs.summary import RunCounts
from pasd_batch.storage.redaction import redact_uri, without_secrets
from pasd_batch.storage.retry import backoff

_logger = logging.getLogger(__name__)

SIGNATURE = "X-Pasd-Batch-Signature"
"""Header `sha256=HEX`: HMAC-SHA256 of TIMESTAMP, a dot and the body, with the secret."""
TIMESTAMP = "X-Pasd-Batch-Timestamp"
"""Header with the seconds since 1970 of the first try, so that an old message is not taken for a new one."""
DELIVERY = "X-Pasd-Batch-Delivery"
"""Header by which the receiver can drop what came twice: the same in all tries of a message, and each time that the end
of a complete run is told, as where a driver was killed while it told it."""

_PAUSES = RetryPolicy(first_delay=0.5, max_delay=5.0)
_AGAIN = (408, 425, 429)
_MOST_LOGGED = 500


def tell_end(settings: RunSettings, exit_code: ExitCode, counts: RunCounts | None, message: str) -> None:
    """Call what the settings name; whatever becomes of it is in the log alone."""
    wanted = settings.on_finish
    end = RunEnd.SUCCESS if exit_code is ExitCode.DONE else RunEnd.FAILURE
    if end not in wanted.on or not (wanted.webhook or wanted.command):
        return
    end_told = end_of_run(settings, exit_code, counts, message)
    body = json.dumps(end_told).encode()
    if wanted.webhook is not None:
        delivery = uuid.uuid4().hex if end_told["results"] is None else _mark(end_told, counts)
        _guarded("webhook", lambda: _post(wanted, body, delivery))
    if wanted.command:
        _guarded("command", lambda: _call(wanted, body))


def end_of_run(settings: RunSettings, exit_code: ExitCode, counts: RunCounts | None, message: str) -> dict[str, Any]:
    """The JSON object that is told; counts are null where the run did not get that far."""
    root = redact_uri(settings.output.root).rstrip("/")
    done = counts is not None and counts.photos > 0
    cost = run_cost(counts, settings.workers.price_per_hour, planned=counts.photos) if counts is not None else None
    return {
        "event": "run finished",
        "success": exit_code is ExitCode.DONE,
        "exit_code": int(exit_code),
        "exit": exit_code.name.lower(),
        "message": without_secrets(message),
        "run": root,
        "results": f"{root}/{RESULTS_FOLDER}" if done else None,
        "summary": f"{root}/{SUMMARY_FILE}" if done else None,
        "photos": None if counts is None else counts.photos,
        "failed": None if counts is None else counts.failed,
        "failures": None if counts is None else counts.failures,
        "cost": None if cost is None else cost.so_far,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"pasd_batch {version('pasd-batch')}",
    }


def _mark(end_told: Mapping[str, Any], counts: RunCounts | None) -> str:
    """Mark of a complete run's end, from its address, exit code and sums alone."""
    sums = None if counts is None else asdict(counts)
    text = json.dumps([end_told["run"], end_told["exit_code"], sums], sort_keys=True)
    return uuid.uuid5(uuid.NAMESPACE_URL, text).hex


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Value of the header `SIGNATURE`."""
    return f"sha256={hmac.new(secret.encode(), timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are refused: what is signed for one place is not sent to another."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nothing to follow."""


def _post(wanted: OnFinishSettings, body: bytes, delivery: str) -> None:
    address = _address(wanted.webhook or "")
    headers = _headers(os.environ.get(wanted.secret_variable), body, delivery)
    opener = urllib.request.build_opener(_NoRedirects())
    for attempt in range(1, wanted.attempts + 1):
        try:
            request = urllib.request.Request(address, data=body, headers=dict(headers), method="POST")
            with opener.open(request, timeout=wanted.timeout) as answer:
                _logger.info("the webhook answered %d", answer.status)
                return
        except urllib.error.HTTPError as error:
            if error.code not in _AGAIN and error.code < 500:
                raise
            last: OSError = error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            last = error
        if attempt == wanted.attempts:
            raise last
        time.sleep(backoff(_PAUSES, attempt))


def _address(webhook: str) -> str:
    if not webhook.startswith("$"):
        return webhook
    address = os.environ.get(webhook[1:])
    if not address:
        raise ValueError(f"the environment variable {webhook[1:]} is not set, which on_finish.webhook names")
    return address


def _headers(secret: str | None, body: bytes, delivery: str) -> Mapping[str, str]:
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"pasd_batch/{version('pasd-batch')}",
        DELIVERY: delivery,
        TIMESTAMP: timestamp,
    }
    return headers | ({SIGNATURE: signature(secret, timestamp, body)} if secret else {})


def _call(wanted: OnFinishSettings, body: bytes) -> None:
    done = subprocess.run(
        wanted.command,
        input=body,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=wanted.timeout,
        check=False,
    )
    text = without_secrets(done.stdout.decode(errors="replace")[-_MOST_LOGGED:])
    level = logging.INFO if done.returncode == 0 else logging.WARNING
    _logger.log(level, "on_finish.command ended with %d: %s", done.returncode, text)


def _guarded(what: str, call: Callable[[], None]) -> None:
    """Log what goes wrong, which is never the run's doing."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 (it is logged, without the traceback)
        # The address may be a secret, and errors quote it.
        _logger.warning("on_finish.%s failed: %s: %s", what, type(error).__name__, _reason(error))


def _reason(error: Exception) -> str:
    match error:
        case urllib.error.HTTPError():
            return f"status {error.code}"
        case urllib.error.URLError():
            return without_secrets(str(error.reason))
        case subprocess.TimeoutExpired():
            return f"it took longer than on_finish.timeout ({error.timeout:g} s)"
        case _:
            return without_secrets(str(error))
