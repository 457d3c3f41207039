"""The headers of an answer: how fresh it is, where it came from, and whether it has changed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags

from coordinator.core.entry import CacheEntry
from coordinator.core.read import Lookup, Outcome

CACHE_NAME: Final = "Coordinator"

_ALWAYS: Final[Mapping[str, str]] = {
    # For this user alone, and to be asked about each time: the ETag makes asking cheap.
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Cookie",
}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the parts of a request took, in milliseconds, for Server-Timing."""

    admit: float
    read: float

    def header(self, how: str) -> str:
        """Return the header's value; `how` says what reading came to: hit, miss, ledger."""
        return f'admit;dur={self.admit:.2f}, read;dur={self.read:.2f};desc="{how}"'


def one(
    request: HttpRequest, lookup: Lookup, entry: CacheEntry, now: float, timing: Timing
) -> HttpResponse:
    """Return the entry's bytes as they are stored, or 304 if the caller has them already."""
    response = _unless_known(request, entry.etag, entry.payload)
    response["Age"] = str(int(entry.age_seconds(now)))
    response["Cache-Status"] = _cache_status(lookup, entry, now)
    response["Payment-Revision"] = str(entry.revision)
    response["Server-Timing"] = timing.header(lookup.outcome.value)
    return response


def many(
    request: HttpRequest,
    lookups: Mapping[str, Lookup],
    unavailable: Sequence[str],
    timing: Timing,
) -> HttpResponse:
    """Return several entries' bytes in one JSON object, put together without parsing one.

    Numbers are safe to write into JSON as they are: the identifier pattern has no quote in it.
    """
    entries = {number: one.entry for number, one in lookups.items() if one.entry is not None}
    body = b'{"payments":{%s},"unavailable":[%s]}' % (
        b",".join(b'"%s":%s' % (n.encode(), e.payload) for n, e in entries.items()),
        b",".join(b'"%s"' % number.encode() for number in unavailable),
    )
    digest = hashlib.blake2b(digest_size=12)
    for number, entry in entries.items():
        digest.update(f"{number} {entry.etag}\n".encode())
    digest.update("\n".join(unavailable).encode())
    response = _unless_known(request, digest.hexdigest(), body)
    hits = sum(one.outcome is Outcome.HIT for one in lookups.values())
    how = "hit" if hits == len(lookups) and not unavailable else "miss"
    status = "hit" if how == "hit" else "fwd=miss"
    detail = f"{hits} of {len(lookups) + len(unavailable)} warm"
    response["Cache-Status"] = f'{CACHE_NAME}; {status}; detail="{detail}"'
    response["Server-Timing"] = timing.header(how)
    return response


def fresh(request: HttpRequest, body: bytes, timing: Timing) -> HttpResponse:
    """Return `body`, read from the ledger just now."""
    response = _unless_known(request, hashlib.blake2b(body, digest_size=12).hexdigest(), body)
    response["Server-Timing"] = timing.header("ledger")
    return response


def _unless_known(request: HttpRequest, etag: str, body: bytes) -> HttpResponse:
    quoted = f'"{etag}"'
    headers = {**_ALWAYS, "ETag": quoted}
    if _knows(request.headers.get("If-None-Match", ""), quoted):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type="application/json", headers=headers)


def _knows(header: str, etag: str) -> bool:
    """Return True if ``If-None-Match`` names `etag`, compared weakly as RFC 9110 13.1.2 says."""
    if header == etag:
        return True
    tags = parse_etags(header)
    return tags == ["*"] or etag in (tag.removeprefix("W/") for tag in tags)


def _cache_status(lookup: Lookup, entry: CacheEntry, now: float) -> str:
    """Return the Cache-Status member (RFC 9211): hit or why not, time left, and the entry's name.

    A miss was forwarded to the provider; ``collapsed`` says that another request for it
    was waited for, ``stored`` that the next reader gets a hit.
    """
    parts = [CACHE_NAME]
    if lookup.outcome is Outcome.HIT:
        parts.append("hit")
    else:
        parts.append("fwd=miss")
        parts += ["stored"] if lookup.stored else []
        parts += ["collapsed"] if lookup.collapsed else []
    parts.append(f"ttl={int(entry.expires_at - now)}")
    parts.append(f'key="{lookup.entry_name}"')
    if lookup.outcome is Outcome.HIT and lookup.from_ledger:
        parts.append('detail="pointer from ledger"')
    return "; ".join(parts)
