"""Reading payments from our API: one request, timed, judged, and counted."""

import inspect
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from tools.shoppers.people import Credential, Person

_TIMEOUT_SECONDS = 30.0
#: Numbers that are remembered as known; the oldest beyond may be unknown once more.
_MAX_KNOWN = 200_000


class ReadingOutcome(StrEnum):
    """What came of a reading. Only LOST, LEAKED and FAILED are faults of the service."""

    #: The payment, or that it has not changed.
    FOUND = "found"
    #: Not found and never seen before: its webhook may still be on the way.
    UNKNOWN_YET = "unknown_yet"
    #: Not found, because it belongs to another user.
    CONCEALED = "concealed"
    #: 503 with Retry-After: the service protects itself, or upstream is down.
    BUSY = "busy"
    #: 429: this person asked too often.
    THROTTLED = "throttled"
    #: No answer: the connection failed or broke, or it took longer than anybody waits.
    UNREACHABLE = "unreachable"
    #: Not found, though it was seen before.
    LOST = "lost"
    #: Another user's payment was shown.
    LEAKED = "leaked"
    #: Any other answer.
    FAILED = "failed"


class Reading(Struct, frozen=True):
    """One request for a payment. `status` is 0 if no answer came; `token` is the caller's own."""

    number: str
    status: int
    headers: Mapping[str, str]
    body_bytes: bytes
    seconds: float
    token: Any
    outcome: ReadingOutcome
    reader: Person

    @property
    def state(self) -> str:
        """Return the payment's state, "" if the body shows none."""
        if self.outcome is not ReadingOutcome.FOUND or not self.body_bytes:
            return ""
        try:
            return msgspec.json.decode(self.body_bytes, type=_Shown).state
        except msgspec.MsgspecError:
            return ""

    @property
    def is_hit(self) -> bool:
        """Return whether Cache-Status (RFC 9211) says that the answer came from the cache."""
        members = self.headers.get("Cache-Status", "").split(";")
        return any(member.strip() == "hit" for member in members)


class _Shown(Struct):
    """The part of a payment that a shopper looks at."""

    state: str = ""


#: Called before a request leaves; what it returns (or awaits) is the reading's `token`.
BeforeRead = Callable[[str], Any]
#: Called with every reading. Both run within the event loop: keep them short, or async.
OnRead = Callable[[Reading], Awaitable[None] | None]


class Reader:
    """Reads payments for all shoppers, over connections that stay open."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: str,
        credential: Credential,
        *,
        on_before_read: BeforeRead | None = None,
        on_read: OnRead | None = None,
    ) -> None:
        """Take the address of our API, whose paths begin with /api, and who to tell."""
        self.outcomes: dict[ReadingOutcome, int] = dict.fromkeys(ReadingOutcome, 0)
        self._session = session
        self._url = f"{api.rstrip('/')}/api/v1/payments/"
        self._credential = credential
        self._before = on_before_read
        self._after = on_read
        self._known: OrderedDict[str, None] = OrderedDict()

    def knows(self, number: str) -> bool:
        """Return whether the payment was seen before by anybody."""
        return number in self._known

    async def read(self, number: str, reader: Person, *, is_stranger: bool = False) -> Reading:
        """Return what the API says of a payment to this person, who may be a stranger to it.

        A reading that is cancelled midway is neither counted nor told.
        """
        known = self.knows(number)
        token = await _result(self._before(number)) if self._before else None
        started = time.perf_counter()
        status, headers, body = await self._request(number, reader)
        seconds = time.perf_counter() - started
        outcome = _judge(status, headers, known=known, is_stranger=is_stranger)
        if outcome is ReadingOutcome.FOUND:
            self._remember(number)
        reading = Reading(number, status, headers, body, seconds, token, outcome, reader)
        self.outcomes[outcome] += 1
        if self._after is not None:
            await _result(self._after(reading))
        return reading

    async def _request(self, number: str, reader: Person) -> tuple[int, Mapping[str, str], bytes]:
        """Return the answer's status, headers and body; status 0 if there was none."""
        try:
            async with self._session.get(
                f"{self._url}{number}/",
                headers=self._credential(reader),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
                allow_redirects=False,
            ) as answer:
                return answer.status, answer.headers, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, {}, b""

    def _remember(self, number: str) -> None:
        """Keep in mind that the payment is known."""
        self._known[number] = None
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)


def _judge(
    status: int, headers: Mapping[str, str], *, known: bool, is_stranger: bool
) -> ReadingOutcome:
    """Return what an answer means to who asked."""
    match status:
        case 0:
            return ReadingOutcome.UNREACHABLE
        case 200 | 304:
            return ReadingOutcome.LEAKED if is_stranger else ReadingOutcome.FOUND
        case 404 if is_stranger:
            return ReadingOutcome.CONCEALED
        case 404:
            return ReadingOutcome.LOST if known else ReadingOutcome.UNKNOWN_YET
        case 429:
            return ReadingOutcome.THROTTLED
        case 503 if "Retry-After" in headers:
            return ReadingOutcome.BUSY
        case _:
            return ReadingOutcome.FAILED


async def _result(value: Any) -> Any:
    """Return the value, awaited if a hook turned out to be async."""
    return await value if inspect.isawaitable(value) else value
