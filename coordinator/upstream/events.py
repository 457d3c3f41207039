"""Events of the way upstream, and the hook that emits them: metrics subscribe to it."""

from dataclasses import dataclass
from typing import get_args

from coordinator.hook import Hook


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """A call ended, with all its attempts.

    `status` is upstream's last, None if it gave none; `error` is the reason of the error that the
    caller got, "" if it got an answer. `attempts` is how many requests upstream saw: 0 if the
    budget or the breaker did not let the call out.
    """

    cause: str
    method: str
    host: str
    status: int | None
    seconds: float
    attempts: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class BudgetWaited:
    """A request had to wait for the budget, `seconds`, and was `granted` its place or not."""

    cause: str
    host: str
    seconds: float
    granted: bool


@dataclass(frozen=True, slots=True)
class BudgetModeChanged:
    """The process now counts together with the others (`shared`), or keeps to its own share."""

    host: str
    shared: bool


@dataclass(frozen=True, slots=True)
class UpstreamPaused:
    """Upstream asked for `seconds` of silence; no process that shares the budget asks before."""

    host: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The process's breaker went from `old` to `new`: closed, open or half-open."""

    host: str
    old: str
    new: str


UpstreamEvent = RequestFinished | BudgetWaited | BudgetModeChanged | UpstreamPaused | BreakerChanged

_hook: Hook[UpstreamEvent] = Hook(*get_args(UpstreamEvent))
subscribe, emit = _hook.subscribe, _hook.emit
