"""What an answer of the API says about how it was come by."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


class How(enum.Enum):
    """How a request for one payment ended, as its reader sees it."""

    HIT = "hit"
    """Answered without a load from upstream."""
    MISS = "miss"
    """Loaded from upstream: by this request, or one that it waited for ("collapsed")."""
    UNKNOWN = "unknown"
    """404: no such payment, or not this reader's."""
    FAILED = "failed"
    """No answer, a 5xx, or anything else that a reader with a good credential should never get."""

    @property
    def is_read(self) -> bool:
        """Return True if the reader got a payment."""
        return self in (How.HIT, How.MISS)


class _Body(msgspec.Struct, frozen=True):
    state: str | None = None


_body = msgspec.json.Decoder(_Body)
# RFC 9211: members by commas, each a cache's name with parameters; ours is the only one here.
_HIT = re.compile(r";\s*hit\s*(?:;|$)")


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """One answer: how it was come by, its revision, and the state that its body names.

    `revision` is None without a Payment-Revision header, `state` without a body (304).
    """

    how: How
    status: int
    revision: int | None = None
    state: str | None = None


def read_answer(status: int, headers: Mapping[str, str], body: bytes = b"") -> ReadAnswer:
    """Return what an HTTP answer says; `status` 0 stands for none.

    A hit is what ``Cache-Status`` calls one (RFC 9211). One that waited for another request's load
    says ``fwd=miss; collapsed``, and counts as the miss that it was. `headers` finds names in any
    case.
    """
    if status in (200, 304):
        how = How.HIT if _HIT.search(headers.get("Cache-Status", "")) else How.MISS
        return ReadAnswer(how, status, _revision(headers), _state(body))
    return ReadAnswer(How.UNKNOWN if status == 404 else How.FAILED, status)


def _revision(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Payment-Revision", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _state(body: bytes) -> str | None:
    try:
        return _body.decode(body).state if body else None
    except msgspec.MsgspecError:
        return None
