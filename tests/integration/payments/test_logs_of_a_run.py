"""The logs of a full run, at their most talkative: no payload, no secret, no token."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.processes import free_port

ROOT = Path(__file__).parents[3]
FORBIDDEN = {
    "a client secret": r"_secret_|client_secret",
    "a webhook secret or an API key": r"whsec_|[sr]k_(?:test|live)_",
    "a token": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ",
    "a signature": r"v1=[0-9a-f]{16}",
    "a session or a key of Django's": r"insecure-development",
    "a payload": r"amount_received|payment_method_details|\"metadata\"|\"currency\"",
    "a card": r"last4|fingerprint|pm_card",
    "a person": r"Jenny|@example",
}


def test_a_full_run_logs_what_happened_and_nothing_that_it_must_not(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    run = subprocess.run(
        [
            *[sys.executable, "manage.py", "embedded", "--seconds", "5", "--json"],
            *["--port", str(free_port()), "--log", str(log)],
        ],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "COORDINATOR_LOG_LEVEL": "DEBUG",
            "DJANGO_SETTINGS_MODULE": "tools.settings",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    summary = json.loads(run.stdout.splitlines()[-1])
    assert summary["changes"] > 0
    assert summary["reads"] > 0
    text = log.read_text()
    # What is looked for is looked for in a log that really has a run in it.
    for event in ("change.recorded", "webhook.answered", "upstream.request_finished"):
        assert event in text
    found = {what: re.findall(f".*(?:{how}).*", text) for what, how in FORBIDDEN.items()}
    assert {what: lines[:3] for what, lines in found.items() if lines} == {}
