"""Errors of the hub's client as `StorageError`s that say what to do; its own texts, which repeat addresses, go."""

from pasd_batch.config.weights import HubName
from pasd_batch.storage.errors import (
    Forbidden,
    InvalidLocation,
    NotFound,
    StorageError,
    StorageFull,
    TransientStorageError,
    classify,
)
from pasd_batch.storage.redaction import redact_uri


def hub_error(name: HubName, error: Exception) -> StorageError:
    """The `StorageError` that the client's error amounts to while it has to do with a name."""
    return _answered(name, error) or _on_this_machine(name, error) or _unreachable(name, error)


def elsewhere() -> str:
    """Remedy for weights that cannot be had from here."""
    from huggingface_hub import constants

    offline = "HF_HUB_OFFLINE is set: unset it, or " if constants.HF_HUB_OFFLINE else "without a network "
    return f"{offline}fetch it where there is one with `pasd-batch weights fetch` and bring it here"


def _answered(name: HubName, error: Exception) -> StorageError | None:
    """An answer of the hub that names what is wrong."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub = _hub()
    place = f"{hub}/{name.repository}"
    match error:
        case GatedRepoError():
            told = f"the repository is gated; accept its licence at {place} and set HF_TOKEN to a token of that account"
            return Forbidden(f"{name}: {told}")
        case RepositoryNotFoundError():
            told = "check the name, or set HF_TOKEN to a token that may read it"
            return NotFound(f"{name}: {hub} has no such repository, or a private one; {told}")
        case RevisionNotFoundError():
            return NotFound(f"{name}: the repository has no such revision; {place} lists its branches and tags")
        case RemoteEntryNotFoundError():
            return NotFound(f"{name}: a file is gone from the repository; look at {place}")
        case HfHubHTTPError() if error.response.status_code in (401, 403):
            return Forbidden(f"{name}: HTTP {error.response.status_code}; set HF_TOKEN to a token that may read it")
    return None


def _on_this_machine(name: HubName, error: Exception) -> StorageError | None:
    """Something that is wrong here: the name, the cache, or that nothing may be asked."""
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError, RevisionResolutionError

    cache = constants.HF_HUB_CACHE
    if constants.HF_HUB_OFFLINE and isinstance(error, LocalEntryNotFoundError | RevisionResolutionError):
        return NotFound(f"{name}: not, or not all, in this machine's cache, {cache}; {elsewhere()}")
    if isinstance(error, ValueError):
        return InvalidLocation(f"{name}: no name of a repository; write hf://OWNER/NAME")
    if not isinstance(error, OSError) or error.errno is None:
        return None
    found = classify(error, cache)
    if isinstance(found, StorageFull):
        return StorageFull(f"{name}: no space left for it in {cache}; free some, or name another disk with HF_HOME")
    return type(found)(f"{found}; HF_HOME can name another folder")


def _unreachable(name: HubName, error: Exception) -> StorageError:
    from huggingface_hub.errors import HfHubHTTPError

    status = f" (HTTP {error.response.status_code})" if isinstance(error, HfHubHTTPError) else ""
    return TransientStorageError(
        f"{name}: {_hub()} cannot be reached or does not answer as it should{status}: {type(error).__name__}; check "
        f"the network, its proxies (HTTPS_PROXY), and HF_ENDPOINT; {elsewhere()}"
    )


def _hub() -> str:
    from huggingface_hub import constants

    return redact_uri(constants.ENDPOINT)
