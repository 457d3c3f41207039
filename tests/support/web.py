"""A web server of ours, as production runs it, on the ledger that a test gives it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from tests.processes import HOST, Server
from tests.unit.payments import stripe_samples as samples
from tools import ROOT


class WebServer(Server):
    """Granian with so many threads in one process, and these settings besides the usual ones."""

    program = "granian"

    def __init__(self, threads: int, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._threads = threads
        self._environment = environment

    @classmethod
    def executable(cls) -> str:
        """Return this Python: it is always installed."""
        return sys.executable

    @property
    def url(self) -> str:
        """Return the address for a client."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        """Return the command."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "STRIPE_WEBHOOK_SECRETS": samples.SECRET,
            **self._environment,
        }
        return [
            *["/usr/bin/env", "-i", *[f"{name}={text}" for name, text in environment.items()]],
            *[self.executable(), "-m", "granian", "--interface", "wsgi", "--no-ws"],
            *["--host", HOST, "--port", str(self.port), "--workers", "1"],
            *["--blocking-threads", str(self._threads), "coordinator.wsgi:application"],
        ]

    def answers(self) -> bool:
        """Return True once it answers that it lives."""
        asked = f"GET /healthz HTTP/1.1\r\nHost: {self.address}\r\n\r\n"
        return b" 200 " in self.exchange(asked.encode())
