"""The how-tos: what they show is what works."""

import hashlib
import hmac
import json
import re
import sys
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pytest_django import Settings

from coordinator.payments.models import Payment
from coordinator.payments.providers import current
from coordinator.payments.providers.base import Provider
from coordinator.payments.providers.stripe_events import TABLE, Handled
from tests.integration.payments.conftest import Site
from tests.integration.payments.tokens import bearer

HOWTOS = Path(__file__).parents[3] / "docs" / "providers"
TRANSFER = {
    "id": "tr_1",
    "reference": "EDX-B001",
    "customer": "42",
    "cents": 500,
    "currency": "EUR",
    "status": "done",
    "changed": "2026-11-22T10:00:00Z",
    "change": 2,
    "iban": "never",
}


class Bank(BaseHTTPRequestHandler):
    """The bank round the corner, with its one transfer."""

    def do_GET(self) -> None:
        body = json.dumps(TRANSFER).encode()
        known = self.path == "/transfers/tr_1"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body) if known else 0))
        self.end_headers()
        self.wfile.write(body if known else b"")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def bank(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the how-to's provider this test's, exactly as it is printed there."""
    page = (HOWTOS / "adding-a-provider.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    module = types.ModuleType("coordinator.payments.providers.bank")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "adding-a-provider.md", "exec"), module.__dict__)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.BANK_URL = f"http://127.0.0.1:{server.server_port}"
    settings.BANK_SECRET = "shared with the bank"
    settings.COORDINATOR_PROVIDER = "coordinator.payments.providers.bank.BankProvider"
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_printed_provider_takes_events_and_is_read(bank: None, site: Site) -> None:
    provider: Provider = current()
    assert provider.name == "bank"
    body = json.dumps(TRANSFER | {"status": "pending", "change": 1}).encode()
    for place, change in enumerate((body, json.dumps(TRANSFER).encode())):
        signed = hmac.new(b"shared with the bank", change, hashlib.sha256).hexdigest()
        answer = site.client.post(
            "/webhooks/bank/",
            change,
            content_type="application/json",
            headers={"Bank-Signature": signed},
        )
        assert answer.status_code == 200
        assert Payment.objects.get().state == ("processing", "succeeded")[place]
    read = site.read("EDX-B001/", bearer())
    assert json.loads(read.content)["amount"] == 500
    assert b"never" not in read.content
    assert site.read("EDX-B001/", bearer(43)).status_code == 404


def test_the_printed_provider_refuses_a_bad_signature(bank: None, site: Site) -> None:
    answer = site.client.post(
        "/webhooks/bank/",
        json.dumps(TRANSFER).encode(),
        content_type="application/json",
        headers={"Bank-Signature": "0"},
    )
    assert answer.status_code == 400
    assert not Payment.objects.exists()


def test_the_event_destination_is_told_all_types_that_are_handled() -> None:
    page = (HOWTOS / "stripe.md").read_text()
    (block,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    handled = [name for name, rule in TABLE.items() if isinstance(rule, Handled)]
    assert block.split() == handled


def test_the_stripe_page_names_the_api_version_in_force(settings: Settings) -> None:
    assert f"**{settings.STRIPE_API_VERSION}**" in (HOWTOS / "stripe.md").read_text()


@pytest.mark.parametrize("page", ["stripe.md", "adding-a-provider.md", "../events.md"])
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    path = HOWTOS / page
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target
