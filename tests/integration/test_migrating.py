"""docs/migrating.md shows the code of examples/migrating, and that code does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MIGRATING = TOP / "examples" / "migrating"
PAGE = (TOP / "docs" / "migrating.md").read_text()

TRIAL = """
import django, json, sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["coordinator.core", "coordinator.ledger", "coordinator.warmer", "enrollments"],
    MIDDLEWARE=["edx_django_utils.cache.middleware.RequestCacheMiddleware"],
    CACHES={"default": {
        "BACKEND": "coordinator.memcached.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 10_000}
    }},
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1],
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()
from django.core.management import call_command
call_command("check")
call_command("migrate", run_syncdb=True, verbosity=0)

from edx_django_utils.cache import RequestCache
from coordinator.warmer.settle import settle_page
from enrollments import cache, client

def tell(**value):
    client.ENROLLMENTS["E-1"] = value
    cache.set_cache("E-1", value)

def seen():
    RequestCache.clear_all_namespaces()
    return cache.get_cache("E-1")

assert cache.get_cache("E-1") is None and client.CALLS == [], "unknown: no call"
tell(status="PENDING", user="42")
settle_page()
assert client.CALLS == ["E-1"], "warm before anyone asked"
assert seen() == {"status": "PENDING", "user": "42"} and len(client.CALLS) == 1
for status in ("ACTIVE", "REFUND REQUESTED"):
    tell(status=status, user="42")
    assert seen()["status"] == status, "never older than the last change"
assert len(client.CALLS) == 3
client.ENROLLMENTS["E-1"] = {"status": "REFUND REQUESTED", "user": "42", "note": "new"}
assert "note" not in seen()
cache.invalidate("E-1")
assert seen()["note"] == "new" and len(client.CALLS) == 4
print("all of it")
"""


def test_the_code_does_what_the_page_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRIAL, str(tmp_path / "ledger.sqlite3")],
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": f"{TOP}{os.pathsep}{MIGRATING}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["all of it"], done.stderr


def test_each_block_of_the_page_is_the_examples_word_for_word() -> None:
    blocks = re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == PAGE.count("```python") >= 4
    for name, code in blocks:
        assert code in (MIGRATING / name).read_text(), f"{name}:\n{code}"
