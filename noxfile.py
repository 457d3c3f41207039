"""Tests the package on every Python that is here with every Django that it supports: `make matrix`.

Each session installs the package with all of its extras, in the newest versions that pyproject.toml
allows: what a host gets, not what this service has locked.
"""

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

EXTRAS = "api,celery,operations,payments,stripe,upstream"
#: The library's own promises; the service is tested with what it has locked.
TESTS = ("tests/unit", "tests/contract", "tests/integration/ledger", "tests/integration/core")


def asked_for(*names: str) -> list[str]:
    """Return what requirements/*.in ask for, but for Django and the package itself."""
    lines = [
        line
        for name in names
        for line in Path("requirements", f"{name}.in").read_text().splitlines()
    ]
    return [line for line in lines if line and not line.startswith(("#", "-", "Django"))]


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
@nox.parametrize("django", ["5.2", "6.0", "6.1"])
def tests(session: nox.Session, django: str) -> None:
    """Run the library's tests; whatever comes after ``--`` is given to pytest instead."""
    if session.python == "3.11" and django != "5.2":
        session.skip("Django 6 needs Python 3.12")
    session.install(
        f".[{EXTRAS}]", f"Django~={django}.0", *asked_for("tools", "base", "development", "test")
    )
    session.run("python", "-m", "pytest", "--numprocesses", "2", *(session.posargs or TESTS))
