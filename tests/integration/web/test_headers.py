"""The security headers that every answer has, and the pages that must live with them."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client
from pytest_django import Settings

from coordinator.web.middleware import CONTENT_SECURITY_POLICY
from tests.integration.payments.tokens import staff


class Page(HTMLParser):
    """Collects what the policy would stop: code in the page, and what comes from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stopped: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        found = dict(attrs)
        self.stopped += [name for name in found if name.startswith("on")]
        if tag == "script" and "src" not in found:
            self.stopped.append(str(found))
        if tag in {"script", "link", "img"}:
            self.loaded.append(found.get("src") or found.get("href") or "")
        if tag in {"base", "object", "embed", "iframe"}:
            self.stopped.append(tag)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("POST", "/readyz", 405),
        ("GET", "/metrics", 403),
        ("GET", "/nowhere", 404),
        ("GET", "/", 200),
        ("GET", "/status/", 302),
        ("GET", "/api/v1/payments/EDX-1/", 401),
        ("POST", "/api/v1/payments/EDX-1/", 401),
        ("POST", "/webhooks/stripe/", 415),
        ("GET", "/admin/login/", 200),
        ("GET", "/api/docs/", 200),
        ("GET", "/api/schema/", 200),
    ],
)
def test_every_answer_has_them(
    sqlite_ledger: None, settings: Settings, method: str, path: str, status: int
) -> None:
    settings.COORDINATOR_PRODUCTION = True
    answer = Client().generic(method, path)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_an_error_that_was_not_foreseen_has_them(
    sqlite_ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.payments.api.views.reader_of", None)
    client = Client(raise_request_exception=False)
    answer = client.get("/api/v1/payments/EDX-1/", headers=staff())
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/docs/", "/admin/login/", "/admin/", "/admin/auth/user/"])
def test_a_page_needs_nothing_that_the_policy_stops(sqlite_ledger: None, path: str) -> None:
    from django.contrib.auth import get_user_model

    client = Client()
    if path != "/admin/login/":
        client.force_login(get_user_model().objects.create_superuser("operator"))
    page = Page(client.get(path).content.decode())
    assert page.loaded
    assert all(address.startswith("/") or address == "#" for address in page.loaded), page.loaded
    assert page.stopped == []
