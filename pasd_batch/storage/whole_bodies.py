"""Bodies of S3's and web servers' answers, piece by piece, so that bounds of bytes and seconds hold as they come in."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pasd_batch.storage.answers import require_whole_object
from pasd_batch.storage.errors import refuse_larger

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """Bounds of one answer: most bytes (none: any), and seconds until its beginning; `shown` names it in messages."""

    shown: str
    max_bytes: int | None
    timeout: float


def seconds_for(size: int, timeout: float) -> float:
    """Seconds that a call which moves so many bytes may take: the timeout, and one for each MiB."""
    return timeout + size / 2**20


def read_from_s3(filesystem: Any, place: dict[str, str], bounds: Bounds) -> bytes:
    """The object at a bucket and key; errors are those of s3fs.

    Raises:
        TooLarge: it has more bytes than the bounds allow.
        TransientStorageError: the body is not whole.
    """
    from fsspec.asyn import sync

    async def fetch() -> bytes:
        async with asyncio.timeout(bounds.timeout) as deadline:
            answer = await filesystem._call_s3("get_object", **place)
            size = answer["ContentLength"]
            data = bytearray()
            try:
                refuse_larger(bounds.shown, size, bounds.max_bytes)
                deadline.reschedule(asyncio.get_running_loop().time() + seconds_for(size, bounds.timeout))
                while chunk := await answer["Body"].read(_CHUNK):
                    data += chunk
            finally:
                answer["Body"].close()
        require_whole_object(answer, data, bucket=place["Bucket"], shown=bounds.shown)
        return bytes(data)

    content: Any = sync(filesystem.loop, fetch)
    return content


def stream_from_web(
    filesystem: Any, url: str, take: Callable[[bytes], object], bounds: Bounds, *, stays_encrypted: bool
) -> str:
    """Hand over what a web server sends, piece by piece; the type of content that it says. Errors are aiohttp's.

    Args:
        filesystem: fsspec's for HTTP.
        url: the address.
        take: gets each piece.
        bounds: of the answer.
        stays_encrypted: redirections that leave HTTPS are refused.

    Raises:
        TooLarge: more bytes come, or are announced, than the bounds allow.
    """
    from aiohttp import ClientTimeout
    from fsspec.asyn import sync

    from pasd_batch.storage.web_guard import stay_encrypted

    middlewares = (stay_encrypted,) if stays_encrypted else ()

    async def fetch() -> str:
        session = await filesystem.set_session()
        total = 0
        async with (
            asyncio.timeout(bounds.timeout) as deadline,
            session.get(url, timeout=ClientTimeout(), middlewares=middlewares) as response,
        ):
            response.raise_for_status()
            length = response.content_length or bounds.max_bytes or 0
            refuse_larger(bounds.shown, response.content_length or 0, bounds.max_bytes)
            deadline.reschedule(asyncio.get_running_loop().time() + seconds_for(length, bounds.timeout))
            async for chunk in response.content.iter_chunked(_CHUNK):
                total += len(chunk)
                refuse_larger(bounds.shown, total, bounds.max_bytes)
                take(chunk)
        return response.content_type

    content_type: Any = sync(filesystem.loop, fetch)
    return content_type
