"""The base error, and the errors that more than one part of the project raises.

An error's docstring is its message; whether trying again can help is data on the error.
"""

import inspect
from typing import ClassVar


def _snake_case(name: str) -> str:
    """Return `name`, a class's name, in lower case with an underscore before each word."""
    parts = ["_" + letter.lower() if letter.isupper() else letter for letter in name]
    return "".join(parts).lstrip("_")


class CoordinatorError(Exception):
    """The coordinator could not do what it was asked to."""

    #: True when trying again can't help; a class says what usually holds, an instance what does.
    permanent: bool = False
    #: False when it says nothing of the thing itself (no budget, circuit open, upstream throttles):
    #: a count of attempts leaves this one out.
    burns_attempt: bool = True
    #: How long to wait before trying again, in seconds, if the refusal said so.
    retry_after_seconds: float | None = None
    #: A word for logs and metrics, the same for every error of a kind. Never holds user data.
    reason: ClassVar[str] = "error"
    #: True if a detail of this kind never holds user data, so that it may be logged and kept.
    detail_is_safe: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        permanent: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Take a `detail` to add to the docstring, and what differs from the class's data."""
        super().__init__(detail)
        self.detail = detail
        if permanent is not None:
            self.permanent = permanent
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Derive the class's `reason` from its name: UpstreamTimeout becomes upstream_timeout."""
        super().__init_subclass__(**kwargs)
        if "reason" not in vars(cls):
            cls.reason = _snake_case(cls.__name__)

    @property
    def explained(self) -> str:
        """Return the reason, with the detail where that is safe to keep."""
        told = self.detail if self.detail_is_safe else ""
        return f"{self.reason}: {told}" if told else self.reason

    def __str__(self) -> str:
        """Return the docstring's first paragraph, and the detail after it if there is one."""
        message = " ".join((inspect.getdoc(type(self)) or "").split("\n\n")[0].split())
        return f"{message.rstrip('.')}: {self.detail}" if self.detail else message


class CacheUnreachable(CoordinatorError):
    """The cache node that keeps this key did not answer."""
