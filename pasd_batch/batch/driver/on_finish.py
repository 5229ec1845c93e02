"""After the end of a driver: a webhook or a command is told how the run ended, which it cannot change any more."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run_paths import shown_root
from pasd_batch.config.on_finish import WEBHOOK, OnFinishSettings, RunEnd
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import RetryPolicy
from pasd_batch.runs.cost import run_cost
from pasd_batch.runs.layout import RESULTS_FOLDER, SUMMARY_FILE
from pasd_batch.runs.summary import RunCounts
from pasd_batch.storage.redaction import without_secrets
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
    root = shown_root(settings).rstrip("/")
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
    # The environment's own bytes, whatever their encoding.
    key = os.fsencode(secret)
    return f"sha256={hmac.new(key, timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


class _NotTold(Exception):
    """A webhook or a command that was not told; the message has nothing that may be secret."""


class _MayPass(_NotTold):
    """A webhook that may be told at another try."""


def faults(wanted: OnFinishSettings) -> Iterator[str]:
    """Faults that would keep the end from being told, as far as it is known before the run."""
    if wanted.webhook is not None:
        try:
            _address(wanted.webhook)
        except _NotTold as error:
            yield f"on_finish.webhook: {error}"
    if wanted.command and shutil.which(wanted.command[0]) is None:
        yield f"on_finish.command: there is no program {wanted.command[0]!r} here; give its path"


def _post(wanted: OnFinishSettings, body: bytes, delivery: str) -> None:
    address = _address(wanted.webhook or "")
    headers = _headers(os.environ.get(wanted.secret_variable), body, delivery)
    for attempt in range(1, wanted.attempts + 1):
        try:
            status = asyncio.run(_status(address, headers, body, wanted.timeout))
        except _MayPass:
            if attempt == wanted.attempts:
                raise
            time.sleep(backoff(_PAUSES, attempt))
        else:
            _logger.info("the webhook answered %d", status)
            return


async def _status(address: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int:
    """Post once, for so many seconds in all, and return the status of an answer that takes the message.

    Redirects are refused: what is signed for one place is not sent to another.
    """
    import aiohttp

    limits = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits, trust_env=True) as session,
            session.post(address, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except TimeoutError:
        raise _MayPass(f"no answer in on_finish.timeout ({seconds:g} s)") from None
    except aiohttp.ClientConnectionError as error:
        cause = error.__cause__ or error
        raise _MayPass(f"no connection, or one that broke off ({type(cause).__name__}: {cause})") from None
    except (aiohttp.ClientError, ValueError) as error:  # their texts may have the address in them
        raise _NotTold(f"the address or the answer is not as HTTP has it ({type(error).__name__})") from None
    if status in _AGAIN or status >= 500:
        raise _MayPass(f"status {status}")
    if status >= 300:
        raise _NotTold(f"status {status}")
    return status


def _address(webhook: str) -> str:
    if not webhook.startswith("$"):
        return webhook
    name = webhook[1:]
    address = os.environ.get(name)
    if not address:
        raise _NotTold(f"the environment variable {name} is not set")
    if not re.fullmatch(WEBHOOK, address):
        raise _NotTold(f"the environment variable {name} has no address that begins with https:// and has no blanks")
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
    """Run the command, and end it and all that it has begun where it takes too long."""
    with subprocess.Popen(
        wanted.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that all that it begins is one group
    ) as process:
        try:
            said, _ = process.communicate(body, timeout=wanted.timeout)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _NotTold(f"it took longer than on_finish.timeout ({wanted.timeout:g} s)") from None
            raise
    text = without_secrets(said.decode(errors="replace")[-_MOST_LOGGED:])
    level = logging.INFO if process.returncode == 0 else logging.WARNING
    _logger.log(level, "on_finish.command ended with %d: %s", process.returncode, text)


def _guarded(what: str, call: Callable[[], None]) -> None:
    """Log what goes wrong, which is never the run's doing."""
    try:
        call()
    except _NotTold as error:
        _logger.warning("on_finish.%s failed: %s", what, without_secrets(str(error)))
    except OSError as error:  # of the command: it is not there, or may not be run
        _logger.warning("on_finish.%s failed: %s: %s", what, type(error).__name__, without_secrets(str(error)))
    except Exception as error:  # noqa: BLE001 (its text may have the address in it, which may be a secret)
        _logger.warning("on_finish.%s failed: %s", what, type(error).__name__)
