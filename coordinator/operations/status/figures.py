"""The strip on every page: the figures that say whether all is well, each with its explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coordinator.causes import CAUSES
from coordinator.celery.lifecycle import TASKS
from coordinator.core import cache, clock, conf, register, switches
from coordinator.core.register import Noted
from coordinator.ledger import queue
from coordinator.operations import heartbeat, terminal
from coordinator.operations.status import counters, ledger
from coordinator.operations.status.counting import BREAKERS, ERRORS, WARM_BOUNDS
from coordinator.upstream import conf as upstream_conf

_WINDOW_MINUTES: Final = 5
_LATE_PERIODS: Final = 3
_ALIVE_WITHIN_SECONDS: Final = 60
_BREAKER_NOTED_FOR_SECONDS: Final = 600
_OLD_BACKLOG_SECONDS: Final = 60

#: Each beat in words: its task, what it does, and the setting of its period in seconds.
BEATS: Final[Sequence[tuple[str, str, str | None]]] = (
    ("settle", "Settles what is due in the change log", "SETTLE_EVERY"),
    ("publish_switches", "Carries the switches to the cache", "SETTLE_EVERY"),
    ("watch", "Looks whether the cache has lost what it held", "SETTLE_EVERY"),
    ("warm_open", "Keeps open and fresh things warm", "WARM_OPEN_EVERY"),
    ("reconcile", "Records what no webhook told", "RECONCILE_EVERY"),
    ("verify", "Compares a sample with upstream", "VERIFY_EVERY"),
    ("prune", "Deletes settled changes past their retention", None),
)
_A_DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its name, its value as text, how well that is, and its section of the help."""

    label: str
    value: str
    state: str
    section: str


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat: what it does, and when it ran last and is due next, in words."""

    task: str
    what: str
    every: str
    last: str
    following: str
    late: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class CauseOfUse:
    """What one cause used of upstream in the last five minutes."""

    cause: str
    requests: int
    loads: int
    waits: int
    waited_seconds: float
    refused: int
    share: float


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of error that loads met: how often in the last minutes, and how long ago at last."""

    kind: str
    count: int
    ago: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of a sparkline: where it stands, and how tall it is of 32."""

    x: int
    y: int
    height: int
    count: int


def strip() -> Sequence[Figure]:
    """Return the figures of the strip: two round trips to the cache and one query."""
    fields = ["reads.hit", "reads.miss", *_of_causes("requests")]
    warm = [f"warm.{bucket}" for bucket in range(len(WARM_BOUNDS) + 1)]
    counted = counters.by_minute([*fields, *warm], _WINDOW_MINUTES + 1)
    noted = register.members(BREAKERS, TASKS)
    return [
        _hit_ratio(sum(counted["reads.hit"]), sum(counted["reads.miss"])),
        _commit_to_warm([sum(counted[field]) for field in warm]),
        _oldest(),
        _budget(sum(counted[field][-2] for field in _of_causes("requests"))),
        _breaker(noted[BREAKERS]),
        _nodes(),
        _beats(noted[TASKS]),
        *_thrown(),
    ]


def beats() -> Sequence[Beat]:
    """Return every beat with its last and its next run."""
    return _beats_of(register.members(TASKS)[TASKS])


def processes() -> Sequence[tuple[str, str]]:
    """Return the workers and beats that were alive within a minute, and how long ago."""
    now = clock.current().now()
    noted = register.members(heartbeat.REGISTER)[heartbeat.REGISTER]
    return [
        (name, terminal.ago(max(0.0, now - one.at)))
        for name, one in sorted(noted.items())
        if now - one.at <= _ALIVE_WITHIN_SECONDS
    ]


def uses() -> Sequence[CauseOfUse]:
    """Return who used upstream in the last five minutes."""
    kinds = ("requests", "loads", "waits", "waited_ms", "refused")
    fields = [name for kind in kinds for name in _of_causes(kind)]
    counted = counters.by_minute(fields, _WINDOW_MINUTES + 1)
    shares = upstream_conf.budget().shares
    return [
        CauseOfUse(
            cause,
            sum(counted[f"requests.{cause}"]),
            sum(counted[f"loads.{cause}"]),
            sum(counted[f"waits.{cause}"]),
            sum(counted[f"waited_ms.{cause}"]) / 1000,
            sum(counted[f"refused.{cause}"]),
            shares.get(cause, 1.0),
        )
        for cause in CAUSES
    ]


def errors() -> Sequence[ErrorKind]:
    """Return the kinds of error that loads met lately, the latest first."""
    noted = register.members(ERRORS)[ERRORS]
    counted = counters.by_minute([f"errors.{kind}" for kind in noted], counters.MOST_MINUTES)
    now = clock.current().now()
    latest = sorted(noted.items(), key=lambda item: -item[1].at)
    return [
        ErrorKind(kind, sum(counted[f"errors.{kind}"]), terminal.ago(max(0.0, now - one.at)))
        for kind, one in latest
    ]


def breakers() -> Sequence[tuple[str, str, str]]:
    """Return the breakers that changed lately: process, state, and how long ago it changed."""
    now = clock.current().now()
    noted = register.members(BREAKERS)[BREAKERS]
    return [
        (name, one.word, terminal.ago(max(0.0, now - one.at)))
        for name, one in sorted(noted.items(), key=lambda item: -item[1].at)
    ]


def sparklines() -> Mapping[str, Sequence[Bar]]:
    """Return the last quarter of an hour: changes settled, and loads, a minute each."""
    ended = [f"ended.{outcome}" for outcome in ("warmed", "superseded", "out_of_date", "abandoned")]
    loads = _of_causes("loads")
    counted = counters.by_minute([*ended, *loads], counters.MOST_MINUTES)
    return {"settled": _bars(_sum(counted, ended)), "loads": _bars(_sum(counted, loads))}


def percentile(buckets: Sequence[int], part: float) -> float | None:
    """Return the upper bound, in seconds, below which `part` of what was counted lies.

    None if nothing was counted; infinity if it lies above the last bound.
    """
    wanted = sum(buckets) * part
    if not wanted:
        return None
    passed = 0
    for count, bound in zip(buckets, (*WARM_BOUNDS, float("inf")), strict=True):
        passed += count
        if passed >= wanted:
            return bound
    return float("inf")


def in_words(seconds: float) -> str:
    """Return a duration to the precision that matters."""
    if seconds == float("inf"):
        return f"over {terminal.ago(WARM_BOUNDS[-1])}"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else terminal.ago(seconds)


# -- one figure each ---------------------------------------------------------------------------


def _hit_ratio(hits: int, misses: int) -> Figure:
    if not hits + misses:
        return Figure("Hit ratio", "no reads", "quiet", "hit-ratio")
    ratio = hits / (hits + misses)
    # Never rounded up to a hundred while there are misses.
    text = f"{min(ratio, 0.999) if misses else 1.0:.1%}"
    return Figure("Hit ratio", text, "ok" if ratio >= 0.9 else "warn", "hit-ratio")


def _commit_to_warm(buckets: Sequence[int]) -> Figure:
    half, most = percentile(buckets, 0.5), percentile(buckets, 0.99)
    if half is None or most is None:
        return Figure("Commit to warm", "no changes", "quiet", "commit-to-warm")
    text = f"{in_words(half)} / {in_words(most)}"
    return Figure("Commit to warm", text, "ok" if most <= 5 else "warn", "commit-to-warm")


def _oldest() -> Figure:
    found = queue.backlog(at_most=ledger.MOST)
    if not found.unsettled:
        return Figure("Oldest unsettled", "none", "ok", "oldest-unsettled")
    more = "+" if found.unsettled >= ledger.MOST else ""
    text = f"{terminal.ago(found.oldest_seconds)} ({found.unsettled}{more} wait)"
    late = found.oldest_seconds > _OLD_BACKLOG_SECONDS
    return Figure("Oldest unsettled", text, "bad" if late else "ok", "oldest-unsettled")


def _budget(requests: int) -> Figure:
    per_second = upstream_conf.budget().per_second
    if not per_second:
        return Figure("Upstream budget", f"no limit ({requests}/min)", "quiet", "budget")
    used = requests / (per_second * counters.MINUTE_SECONDS)
    state = "ok" if used < 0.8 else "warn"
    return Figure("Upstream budget", f"{used:.0%} of {per_second:g}/s", state, "budget")


def _breaker(noted: Mapping[str, Noted]) -> Figure:
    now = clock.current().now()
    words = [
        one.word
        for one in noted.values()
        if one.word != "closed" and now - one.at <= _BREAKER_NOTED_FOR_SECONDS
    ]
    if not words:
        return Figure("Breaker", "closed", "ok", "breaker")
    return Figure("Breaker", f"{max(words)} in {len(words)}", "bad", "breaker")


def _nodes() -> Figure:
    nodes = cache.nodes()
    used = sum(nodes.values())
    state = "ok" if used == len(nodes) else "bad"
    return Figure("Cache nodes", f"{used} of {len(nodes)}", state, "cache-nodes")


def _beats(noted: Mapping[str, Noted]) -> Figure:
    late = [beat.task for beat in _beats_of(noted) if beat.late]
    if not noted:
        return Figure("Beats", "none seen", "warn", "beats")
    if late:
        return Figure("Beats", f"late: {', '.join(late)}", "bad", "beats")
    newest = max(one.at for one in noted.values())
    ago = terminal.ago(max(0.0, clock.current().now() - newest))
    return Figure("Beats", f"{ago} ago", "ok", "beats")


def _thrown() -> Sequence[Figure]:
    now = switches.current()
    return [
        Figure(name.capitalize(), position, "warn", "switches")
        for name, usual in (("warming", "on"), ("reads", "cache"))
        if (position := getattr(now, name)) != usual
    ]


def _beats_of(noted: Mapping[str, Noted]) -> Sequence[Beat]:
    now = clock.current().now()
    return [_beat(task, what, setting, noted.get(task), now) for task, what, setting in BEATS]


def _beat(task: str, what: str, setting: str | None, last: Noted | None, now: float) -> Beat:
    period = _A_DAY_SECONDS if setting is None else conf.seconds(setting)
    if last is None:
        return Beat(task, what, terminal.ago(period), "not seen", "", late=False, failed=False)
    due = last.at + period
    ago = terminal.ago(max(0.0, now - last.at))
    following = f"in {terminal.ago(due - now)}" if due > now else "due"
    # Short periods wait for a busy worker at times.
    late = now > last.at + _LATE_PERIODS * period + _OLD_BACKLOG_SECONDS
    failed = last.word not in {"SUCCESS", ""}
    return Beat(task, what, terminal.ago(period), f"{ago} ago", following, late, failed)


def _of_causes(kind: str) -> list[str]:
    return [f"{kind}.{cause}" for cause in CAUSES]


def _sum(counted: Mapping[str, Sequence[int]], fields: Sequence[str]) -> Sequence[int]:
    """Return the sum of these fields for each minute."""
    return [sum(minute) for minute in zip(*(counted[field] for field in fields), strict=True)]


def _bars(counts: Sequence[int]) -> Sequence[Bar]:
    most = max(counts, default=0) or 1
    heights = [round(32 * count / most) for count in counts]
    return [
        Bar(8 * nth, 32 - height, height, count)
        for nth, (height, count) in enumerate(zip(heights, counts, strict=True))
    ]
