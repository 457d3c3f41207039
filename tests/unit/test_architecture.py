"""The drawings of docs/architecture.md say what the code does."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "architecture.md").read_text()
DRAWINGS = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
ROOMS, EVENT, READ = DRAWINGS


def path_of(room: str) -> Path:
    return TOP / room if room == "workers" else TOP / "coordinator" / room


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that the modules below `path` import."""
    for module in path.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)


def rooms_imported_by(room: str) -> set[str]:
    found = {
        name.split(".")[1] for name in imports(path_of(room)) if name.startswith("coordinator.")
    }
    return {name for name in found if path_of(name).is_dir()} - {room}


def arrows() -> set[tuple[str, str]]:
    return set(re.findall(r"(\w+) --> (\w+)", ROOMS))


def test_each_arrow_between_rooms_is_an_import_that_exists() -> None:
    assert arrows()
    for above, below in arrows():
        assert below in rooms_imported_by(above), f"{above} imports nothing of {below}"


def test_no_import_between_rooms_goes_against_the_arrows() -> None:
    drawn = arrows()
    rooms = {room for arrow in drawn for room in arrow}
    # What is reachable by arrows may be imported directly as well.
    reach = {room: {room} for room in rooms}
    for _ in rooms:
        for above, below in drawn:
            reach[above] |= reach[below]
    for room in rooms:
        against = (rooms_imported_by(room) & rooms) - reach[room]
        assert not against, f"{room} imports {against}, which no arrow says"


def test_each_room_is_described_and_drawn() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    existing = {path.parent.name for path in (TOP / "coordinator").glob("*/__init__.py")}
    assert described == existing - {"checks"}


@pytest.mark.parametrize(
    ("participant", "function"),
    [
        (module, called)
        for short, called in re.findall(r"->>(\w+): (\w+)\(\)", EVENT)
        for module in re.findall(rf"participant {short} as ([\w.]+)", EVENT)
    ],
)
def test_each_step_of_an_event_is_a_function_that_exists(participant: str, function: str) -> None:
    module = importlib.import_module(f"coordinator.{participant}")
    assert callable(getattr(module, function))


def test_the_steps_of_an_event_come_in_the_order_of_the_code() -> None:
    steps = re.findall(r": (\w+)\(\)", EVENT)
    assert steps == ["webhook", "record_change", "suspend", "advance", "ring", "settle_page"]
