"""docs/dependencies.md lists what requirements/ asks for, in the versions that are locked."""

import re
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([\w.-]+)` \| ([\w.]+) \|", re.MULTILINE)
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.MULTILINE)


def listed() -> dict[str, str]:
    rows = ROW.findall((TOP / "docs" / "dependencies.md").read_text())
    return {name.lower().replace(".", "-"): version for name, version in rows}


def asked_for() -> set[str]:
    names = of_the_package()
    for path in (TOP / "requirements").glob("*.in"):
        for line in path.read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                names.add(name_of(line))
    return names


def name_of(requirement: str) -> str:
    return re.split(r"[\[~=<> ]", requirement, maxsplit=1)[0].lower().replace(".", "-")


def of_the_package() -> set[str]:
    """Return what pyproject.toml asks for, with every extra."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    return {name_of(one) for one in [*project["dependencies"], *extras]} - {"coordinator"}


def locked() -> dict[str, set[str]]:
    """Return the versions of each package: several where newer Pythons get a newer one."""
    found: dict[str, set[str]] = {}
    for path in (TOP / "requirements").glob("*.txt"):
        for name, version in PINNED.findall(path.read_text()):
            found.setdefault(name.lower(), set()).add(version)
    return found


def test_each_package_that_is_asked_for_has_a_row_and_no_other_has() -> None:
    assert set(listed()) == asked_for()


def test_the_versions_are_those_that_are_locked() -> None:
    there = locked()
    other = {name: there[name] for name, version in listed().items() if version not in there[name]}
    assert not other
