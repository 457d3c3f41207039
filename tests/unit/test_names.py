"""No two public classes of one name: a reader who has met one knows which is meant."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

# Names that a framework gives, not we.
GIVEN = {
    "Command": "Django: a management command's class",
    "Migration": "Django: a migration's class",
    "Transport": "kombu: a transport's class, in workers/broker.py; ours is upstream's",
}


def classes(*rooms: str) -> dict[str, list[str]]:
    """Return the modules that define each public class below `rooms`, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for room in rooms:
        for path in sorted((TOP / room).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(TOP)))
    return found


def test_no_public_class_of_the_product_has_the_name_of_another() -> None:
    found = classes("coordinator", "workers")

    assert len(found) > 200
    assert {
        name: places for name, places in found.items() if len(places) > 1 and name not in GIVEN
    } == {}


@pytest.mark.parametrize("name", GIVEN)
def test_each_exception_is_still_needed(name: str) -> None:
    assert len(classes("coordinator", "workers")[name]) > 1


@pytest.mark.parametrize("name", ["Answer", "Event", "Outcome"])
def test_the_development_tools_take_none_of_the_protocols_names(name: str) -> None:
    assert len(classes("coordinator", "workers", "tools")[name]) == 1
