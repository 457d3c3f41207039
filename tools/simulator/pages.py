"""Stripe's lists: newest first, in pages which are asked for by the object that ends the last one.

A page starts after `starting_after`, or ends before `ending_before`; `has_more` tells whether the
list goes on in that direction.
"""

from collections.abc import Callable, Iterable
from itertools import dropwhile, islice, takewhile
from typing import Protocol, TypeVar

from tools.simulator.errors import invalid, missing
from tools.simulator.forms import Form, get_integer, get_text
from tools.simulator.payloads import Payload

LIST_FIELDS = ("limit", "starting_after", "ending_before")
_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100

Item = TypeVar("Item")
Thing = TypeVar("Thing", bound="Identified")


class Identified(Protocol):
    """Something that a page can start after."""

    @property
    def id(self) -> str:
        """Return its identifier."""


class Range:
    """A bound on `created`: one second as plain text, or gt, gte, lt and lte of an object."""

    def __init__(self, form: Form) -> None:
        """Read `created` from a form; without it, everything lies within."""
        self.first, self.last = 0.0, float("inf")
        bounds = form.get("created", {})
        if isinstance(bounds, str):
            exactly = get_integer(form, "created") or 0
            self.first = self.last = exactly
            return
        for name in bounds:
            value = get_integer(bounds, name) or 0
            match name:
                case "gt":
                    self.first = max(self.first, value + 1)
                case "gte":
                    self.first = max(self.first, value)
                case "lt":
                    self.last = min(self.last, value - 1)
                case "lte":
                    self.last = min(self.last, value)
                case _:
                    raise invalid(f"Invalid bound: {name}", param="created")


def page_limit(form: Form) -> int:
    """Return how many objects a page may hold."""
    return get_integer(form, "limit", at_least=1, at_most=_MAX_LIMIT) or _DEFAULT_LIMIT


def make_page(
    items: Iterable[Item],
    limit: int,
    url: str,
    show: Callable[[Item], Payload],
    *,
    backwards: bool = False,
) -> Payload:
    """Return the first `limit` of the items as a list object; at most one more is looked at.

    With `backwards` they come oldest first, as a page that ends before an object is collected,
    and are shown newest first all the same.
    """
    found = list(islice(items, limit + 1))
    page = found[:limit]
    return {
        "object": "list",
        "data": [show(item) for item in (reversed(page) if backwards else page)],
        "has_more": len(found) > limit,
        "url": url,
    }


def turn_to(form: Form, newest_first: Iterable[Thing]) -> tuple[Iterable[Thing], bool]:
    """Return where the wanted page of a list begins, and whether it is collected backwards."""
    if (after := get_text(form, "starting_after")) is not None:
        rest = dropwhile(lambda thing: thing.id != after, newest_first)
        if next(rest, None) is None:
            raise missing("object", after, "starting_after")
        return rest, False
    if (before := get_text(form, "ending_before")) is not None:
        return [*takewhile(lambda thing: thing.id != before, newest_first)][::-1], True
    return newest_first, False
