"""docs/api.md documents what the package exports, and nothing that it does not."""

import re
from pathlib import Path

import coordinator

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()


def test_each_exported_name_is_documented() -> None:
    documented = set(re.findall(r"^\.\. auto\w+:: coordinator\.(\w+)$", PAGE, re.MULTILINE))
    signals = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert documented | signals == set(coordinator.__all__)
