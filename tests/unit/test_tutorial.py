"""The tutorial's code is the shop's code, and its first resource is short."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)


def test_each_block_is_part_of_the_shops_file_word_for_word() -> None:
    assert len(BLOCKS) >= 8
    for name, code in BLOCKS:
        assert code in (TOP / "examples" / "shop" / name).read_text(), f"{name}:\n{code}"


def test_no_python_is_shown_that_is_not_the_shops() -> None:
    assert PAGE.count("```python") == len(BLOCKS)


def test_a_first_resource_takes_at_most_thirty_lines() -> None:
    shop = TOP / "examples" / "shop" / "orders"
    lines = [
        line
        for name in ("models.py", "resources.py")
        for line in (shop / name).read_text().splitlines()
        if line.strip()
    ]
    assert len(lines) <= 30


def test_each_error_that_it_explains_exists() -> None:
    source = "".join(path.read_text() for path in (TOP / "coordinator").rglob("*.py"))
    for name in re.findall(r"^\| `(coordinator\.[EW]\d+|[A-Z]\w+)`", PAGE, re.MULTILINE):
        assert f'id="{name}"' in source or f"class {name}(" in source, name
