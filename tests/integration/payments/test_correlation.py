"""One id follows an event: webhook, change, settling, upstream request, and every log line."""

import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings as project
from django.utils.log import configure_logging
from pytest_django import Settings

from coordinator import correlation
from coordinator.ledger.models import Change
from tests.integration.payments.conftest import Site
from tests.support.settling import settle
from tests.unit.payments import stripe_samples as samples

ID = "checkout-7f3a"


class Provider:
    """Refuses whatever it is asked, and remembers with which correlation id that was."""

    def __init__(self) -> None:
        asked = self.asked = list[str | None]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers.get(correlation.HEADER))
                body = b'{"error":{"type":"invalid_request_error","code":"parameter_invalid"}}'
                self.send_response(400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Yield a provider that is asked for real."""
    serving = Provider()
    yield serving
    serving.close()


@contextmanager
def log_of_the_project() -> Iterator[io.StringIO]:
    """Yield what the project's own logging writes."""
    written = io.StringIO()
    root = logging.getLogger()
    before = list(root.handlers), root.level
    configure_logging("logging.config.dictConfig", project.LOGGING)
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(written)
    try:
        yield written
    finally:
        root.handlers[:], level = before
        root.setLevel(level)


def test_one_id_goes_from_the_webhook_to_upstream_and_into_every_line(
    site: Site, provider: Provider, settings: Settings
) -> None:
    settings.STRIPE_API_BASE = provider.url
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    body = samples.encoded(samples.event("payment_intent.processing", samples.intent()))
    with log_of_the_project() as log:
        answer = site.send(
            body,
            headers={
                "Stripe-Signature": samples.signature(body),
                correlation.HEADER: ID,
            },
        )
        assert answer.headers[correlation.HEADER] == ID
        settle()
    assert Change.objects.get().correlation_id == ID
    assert provider.asked == [ID]
    lines = [line for line in log.getvalue().splitlines() if " coordinator." in line]
    lines += [line for line in log.getvalue().splitlines() if " workers." in line]
    assert any("change.recorded" in line for line in lines)
    assert any("change.abandoned" in line for line in lines)
    assert [line for line in lines if f"correlation_id={ID}" not in line] == []
