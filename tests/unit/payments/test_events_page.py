"""docs/events.md says what the code does."""

import re
from pathlib import Path

from coordinator.payments import states
from coordinator.payments.providers.stripe_events import TABLE, Handled

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


def rows(columns: int) -> list[tuple[str, ...]]:
    """Return the page's table rows that begin with a name in code and have so many columns."""
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.splitlines()
        if line.startswith("| `")
    ]
    return [row for row in cells if len(row) == columns]


def test_each_event_type_is_on_the_page_with_what_it_does() -> None:
    expected: list[tuple[str, ...]] = []
    for name, rule in TABLE.items():
        if isinstance(rule, Handled):
            kind = rule.carries.__name__.removesuffix("Object")
            expected.append((f"`{name}`", kind, rule.effect))
        else:
            expected.append((f"`{name}`", rule.why))
    found = [row for row in rows(2) + rows(3) if "." in row[0]]
    assert sorted(found) == sorted(expected)


def test_each_state_is_on_the_page_in_the_order_of_its_rank() -> None:
    found = [(row[0], row[1]) for row in rows(3) if "." not in row[0]]
    assert found == [(f"`{state.name}`", "yes" if state.terminal else "") for state in states.TABLE]


def test_no_event_type_is_named_that_does_not_exist() -> None:
    named = set(re.findall(r"`((?:payment_intent|charge|refund)\.[a-z_.]+)`", PAGE))
    assert named == set(TABLE)
