"""``make chaos`` for half a minute: another part of the faults each time, the same promises."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tools.chaos import tuning
from tools.chaos.names import Name

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 300.0


def chaos(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.chaos", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, **environment},
    )


@pytest.mark.slow
def test_half_a_minute_of_faults_breaks_no_promise(servers_installed: None) -> None:
    # Which faults have their turn is different each time; the output says how to repeat it.
    ended = chaos("--seconds", "30", "--seed", secrets.token_hex(4))

    shown = f"{ended.stdout[-8000:]}\n{ended.stderr[-2000:]}"
    assert ended.returncode == 0, shown
    report = json.loads(ended.stdout.splitlines()[-1])
    assert (report["lost"], report["stale_reads"], report["user_errors"]) == (0, 0, 0), shown
    assert report["longest_staleness_s"] <= tuning.MOST_STALE_SECONDS, shown
    assert 0 < report["upstream_peak_rps"] <= report["upstream_budget_rps"] == tuning.BUDGET_RPS
    assert report["settled"] == report["changes"] > 30
    assert report["reads"] > 200
    names = [fault["name"] for fault in report["faults"]]
    assert len(names) >= 2
    assert set(names) <= set(Name)
    assert all(fault["injected"] >= 1 for fault in report["faults"])


def test_an_unknown_fault_is_refused_with_the_names_of_all() -> None:
    ended = chaos("--only", "lightning")

    assert ended.returncode == 2
    assert "worker_killed" in ended.stderr


def test_its_timeouts_pass_the_systems_own_checks(tmp_path: Path) -> None:
    required = {
        "DJANGO_SETTINGS_MODULE": "tools.chaos.settings",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": "postgres://nobody@127.0.0.1/nothing",
        "MEMCACHED_SERVERS": "127.0.0.1:1",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "STRIPE_API_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRETS": "whsec_1",
    }
    ended = subprocess.run(
        [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **required, **tuning.SETTINGS},
    )

    assert ended.returncode == 0, ended.stderr
