"""What `pip install` brings: one package, one version, and the names that stay."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from django.conf import settings

import coordinator

TOP = Path(__file__).resolve().parents[2]
PUBLIC = [
    "IDENTIFIER_MAX_LENGTH",
    "IDENTIFIER_PATTERN",
    "WHOLE",
    "Busy",
    "Change",
    "ChangeEnded",
    "ChangeRefused",
    "CoordinatorError",
    "Event",
    "IdentifierTaken",
    "InvalidIdentifier",
    "Ledgered",
    "ListedChange",
    "LoadResult",
    "Loaded",
    "Lookup",
    "Observation",
    "Outcome",
    "Place",
    "Recorded",
    "Recording",
    "Resource",
    "Said",
    "Standing",
    "State",
    "StateTable",
    "Touch",
    "UnknownIdentifier",
    "changes_ended",
    "changes_recorded",
    "check_identifier",
    "is_identifier",
    "read",
    "read_many",
    "record_change",
    "record_changes",
    "register",
    "state_changed",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel that this repository builds."""
    directory = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*build, "--directory", str(directory)], cwd=TOP, check=True, capture_output=True
    )
    (path,) = directory.glob("*.whl")
    return zipfile.ZipFile(path)


def python(code: str) -> str:
    """Return what `code` prints in a fresh interpreter without any settings."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TOP,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_these() -> None:
    assert coordinator.__all__ == PUBLIC
    for name in PUBLIC:
        assert getattr(coordinator, name) is not None
    assert set(PUBLIC) <= set(dir(coordinator))


def test_each_public_name_is_documented_where_it_is_defined() -> None:
    for name in PUBLIC:
        value = getattr(coordinator, name)
        if not name.islower() or callable(value):
            assert value.__doc__, name


def test_each_public_name_is_on_the_page_of_the_api() -> None:
    page = (TOP / "docs" / "api.md").read_text()
    assert not [name for name in PUBLIC if not re.search(rf"\b{name}\b", page)]


def test_another_name_is_an_attribute_error_as_anywhere() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = coordinator.no_such_name


def test_importing_the_package_needs_no_settings_and_imports_no_django() -> None:
    code = "import sys, coordinator; print(coordinator.__version__, 'django' in sys.modules)"
    assert python(code).split() == [coordinator.__version__, "False"]


def test_the_types_of_the_public_names_are_what_a_type_checker_sees() -> None:
    tree = ast.parse((TOP / "coordinator" / "__init__.py").read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        (node.module, alias.name)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {(module, name) for name, module in coordinator._MODULE_OF.items()}


def test_the_version_is_the_same_everywhere(wheel: zipfile.ZipFile) -> None:
    version = coordinator.__version__
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == version
    newest = re.search(r"^## (?:Unreleased: )?(\S+)$", (TOP / "CHANGELOG.md").read_text(), re.M)
    assert newest
    assert newest[1] == version
    (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    assert Parser().parsestr(wheel.read(metadata).decode())["Version"] == version


def test_the_wheel_holds_the_package_alone(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "coordinator",
        f"coordinator-{coordinator.__version__}.dist-info",
    }
    assert "coordinator/py.typed" in names
    shipped = {name for name in names if name.startswith("coordinator/")}
    kept = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "coordinator"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    if kept.returncode == 0:
        assert shipped == {name for name in kept.stdout.split() if (TOP / name).exists()}


def test_what_is_installed_without_extras_is_what_the_library_imports(
    wheel: zipfile.ZipFile,
) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    fields = Parser().parsestr(wheel.read(metadata).decode())
    needed = {
        re.split(r"[<>=~; \[]", one)[0].lower()
        for one in fields.get_all("Requires-Dist", [])
        if "extra ==" not in one
    }
    assert needed == {"django", "edx-django-utils", "msgspec", "pymemcache", "xxhash"}
    assert set(fields.get_all("Provides-Extra", [])) == {
        "api",
        "celery",
        "operations",
        "payments",
        "stripe",
        "upstream",
    }
