"""The kill switches: pause warming, or let reads bypass the cache, without a deploy.

Key pattern: ``switches`` in the shared cache, asked at most once a second by each process, so that
a warm read costs nothing more. Timeout: 10 minutes; a beat publishes what the ledger's database
says every few seconds, so a flushed cache forgets it only until then. Where nothing is published,
the settings ``COORDINATOR_WARMING`` and ``COORDINATOR_READS`` hold.
"""

from dataclasses import dataclass

import msgspec

from coordinator.core import cache, clock, conf

_KEY = "switches"
_TIMEOUT_SECONDS = 600
_REMEMBERED_SECONDS = 1.0


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """Which way each switch is thrown."""

    warming: str = "on"
    """``on``, or ``paused``: changes are recorded and wait in the log."""
    reads: str = "cache"
    """``cache``, or ``bypass``: every read asks ledger and upstream, and stores nothing."""


#: What each switch can be set to.
POSITIONS = {"warming": ("on", "paused"), "reads": ("cache", "bypass")}


@dataclass(slots=True)
class _Memo:
    switches: Switches
    until: float


_decoder = msgspec.json.Decoder(Switches)
_memo: _Memo | None = None


def current(now: float | None = None) -> Switches:
    """Return how the switches are thrown, as this process saw it within the last second.

    `now` is for a caller that has just looked at the monotonic clock.
    """
    global _memo
    if now is None:
        now = clock.current().monotonic()
    memo = _memo
    if memo is None or now >= memo.until:
        memo = _memo = _Memo(_ask(), now + _REMEMBERED_SECONDS)
    return memo.switches


def warming_paused() -> bool:
    """Return True while nothing is to be warmed."""
    return current().warming == "paused"


def reads_bypass(now: float | None = None) -> bool:
    """Return True while reads are to leave the cache alone; `now` as for `current`."""
    return current(now).reads == "bypass"


def publish(switches: Switches) -> bool:
    """Tell every process; return True if the shared cache has it."""
    forget()
    return cache.publish(_KEY, msgspec.json.encode(switches), _TIMEOUT_SECONDS)


def forget() -> None:
    """Have this process ask again at once."""
    global _memo
    _memo = None


def from_settings() -> Switches:
    """Return what holds where nothing was published."""
    return Switches(
        warming=conf.text("WARMING"),
        reads=conf.text("READS"),
    )


def _ask() -> Switches:
    value = cache.get_shared([_KEY]).found.get(_KEY)
    if isinstance(value, bytes):
        try:
            return _decoder.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return from_settings()
    return from_settings()
