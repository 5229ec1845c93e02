"""s3fs with every answer looked at: what is no answer of an S3 store is a failure that may pass, never a success.

Proxies and captive portals answer with status 200 and a page of their own. Taken for a store's answer, a page would
be a photo, an empty listing, or a write that happened.
"""

from typing import Any

from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from pasd_batch.storage.answers import require_store_answer


class CheckedS3FileSystem(S3FileSystem):
    """An S3 file system whose operations fail with `TransientStorageError` where somebody else has answered."""

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        answer = await super()._call_s3(method, *akwarglist, **kwargs)
        require_store_answer(method, answer, ranged="Range" in kwargs, bucket=str(kwargs.get("Bucket", "")))
        return answer

    call_s3 = sync_wrapper(_call_s3)  # the inherited one would call the inherited `_call_s3`
