"""Divides the budget: by cause, and by process where the count can't be shared. Pure arithmetic."""

from coordinator.upstream.conf import BudgetSettings
from coordinator.upstream.permits import Allowance

#: The budget is so many in any second, wherever that second begins.
WINDOW_SECONDS = 1.0


def whole(settings: BudgetSettings, cause: str = "read") -> Allowance:
    """Return what `cause` may use of the whole budget."""
    return _allowance(settings, settings.per_second, settings.concurrent, cause)


def own(settings: BudgetSettings, cause: str = "read") -> Allowance:
    """Return what `cause` may use of one process's own share of the budget."""
    # One at a time is the least that a process can do.
    concurrent = max(1, settings.concurrent // settings.processes) if settings.concurrent else 0
    return _allowance(settings, settings.per_second / settings.processes, concurrent, cause)


def _allowance(
    settings: BudgetSettings, per_second: float, concurrent: int, cause: str
) -> Allowance:
    part = settings.shares.get(cause, 1.0)
    if per_second <= 0:
        return Allowance(0, _part(concurrent, part))
    if per_second < 1:
        # One, in a window that is long enough.
        return Allowance(1, _part(concurrent, part), WINDOW_SECONDS / per_second)
    return Allowance(_part(int(per_second), part), _part(concurrent, part), WINDOW_SECONDS)


def _part(limit: int, part: float) -> int:
    """Return `part` of `limit`, at least 1: every cause has its turn once no other asks."""
    return max(1, int(limit * part)) if limit else 0
