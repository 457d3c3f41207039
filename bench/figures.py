"""What a measurement came to: one figure, what it is compared with, and the goal it has."""

from dataclasses import dataclass
from enum import Enum


class Bound(Enum):
    """Which side of its limit a goal wants the ratio on."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit for a ratio (or for a count, where nothing is compared)."""

    limit: float
    bound: Bound = Bound.AT_MOST

    def met_by(self, ratio: float) -> bool:
        """Return True if `ratio` is on the right side of the limit, or on it."""
        if self.bound is Bound.AT_MOST:
            return ratio <= self.limit
        return ratio >= self.limit

    def __str__(self) -> str:
        return f"{self.bound.value} {self.limit:g}"


def at_most(limit: float) -> Goal:
    """Return the goal that a ratio is no more than `limit`."""
    return Goal(limit)


def at_least(limit: float) -> Goal:
    """Return the goal that a ratio is no less than `limit`."""
    return Goal(limit, Bound.AT_LEAST)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `ours` and `other` are in `unit`; `ratio` is what the goal is about. `other` is None for what is
    counted and compared with nothing: then the ratio is the count. A figure without a goal is there
    to compare with: a peer, or a part of the whole. `series` is how it went over time, where that
    was followed.
    """

    group: str
    name: str
    ours: float
    unit: str
    ratio: float
    other: float | None = None
    against: str = ""
    goal: Goal | None = None
    series: tuple[float, ...] = ()

    @property
    def met(self) -> bool | None:
        """Return whether the goal is met, None without one."""
        return None if self.goal is None else self.goal.met_by(self.ratio)


def compared(
    group: str,
    name: str,
    ours: float,
    other: float,
    unit: str,
    against: str,
    goal: Goal | None = None,
    series: tuple[float, ...] = (),
) -> Figure:
    """Return the figure that says how many times `other` is in `ours`."""
    return Figure(group, name, ours, unit, ours / other, other, against, goal, series)


def counted(group: str, name: str, count: float, goal: Goal | None = None) -> Figure:
    """Return the figure of something that is counted."""
    return Figure(group, name, count, "", count, goal=goal)
