"""Settings of what is called when a run's driver has ended."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from pasd_batch.config.base import InOrder, Settings

WEBHOOK = r"https?://[^\s/]\S*"
"""Regular expression for a webhook's address."""


class RunEnd(StrEnum):
    """Kinds of ends of a driver."""

    SUCCESS = "success"
    """Exit code 0."""
    FAILURE = "failure"
    """Any other exit code."""


def _words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


class OnFinishSettings(Settings):
    """A webhook or a command that is told how a run's driver has ended; neither changes how it ended."""

    webhook: str | None = None
    """Address (https:// or http://) that gets a JSON object by POST; `$NAME` stands for one in an environment variable,
    for addresses that are secrets themselves."""

    command: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    """Program and its arguments, which are not read by a shell; it gets the JSON object on its standard input."""

    on: Annotated[frozenset[RunEnd], InOrder] = frozenset(RunEnd)
    """Ends that are told."""

    secret_variable: str = "PASD_BATCH_WEBHOOK_SECRET"
    """Environment variable with the secret that the webhook's body is signed with; without it, it is not signed."""

    timeout: float = Field(default=10.0, gt=0.0, le=50.0)
    """Seconds that a try of the webhook may take in all, or the command; it is ended then, with all that it began."""

    attempts: int = Field(default=4, ge=1, le=10)
    """Tries of the webhook, while it does not answer or says that it cannot now (429, 5xx)."""

    @model_validator(mode="after")
    def _an_address(self) -> Self:
        if self.webhook is not None and not re.fullmatch(rf"{WEBHOOK}|\$[A-Za-z_]\w*", self.webhook):
            raise ValueError("webhook: give an address that begins with https://, or $NAME of an environment variable")
        return self
