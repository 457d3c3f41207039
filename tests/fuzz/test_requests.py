"""Requests: whatever the number and the query, a clear answer, never a 5xx."""

from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from tests.fuzz.budget import Progress, share
from tests.integration.payments.tokens import bearer

FINE = frozenset({200, 301, 400, 404, 414})
TEXT = st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_:@.-]{0,80}", fullmatch=True)


@pytest.fixture(autouse=True)
def no_limits(sqlite_ledger: None, settings: Settings) -> None:
    """Let one user ask for as much as fits into a test."""
    settings.COORDINATOR_USER_READS_PER_MINUTE = 0


def test_any_text_as_a_number_gets_a_clear_answer() -> None:
    client, progress = Client(raise_request_exception=False), Progress("numbers")
    headers = bearer(42)

    @share(15)
    @given(number=TEXT, events=st.booleans())
    def read(number: str, events: bool) -> None:
        progress.tick()
        # Lone surrogates can't be part of an address; they are sent as what they would become.
        path = quote(number.encode("utf-8", "surrogatepass"), safe="")
        answer = client.get(
            f"/api/v1/payments/{path}/{'events/' if events else ''}", headers=headers
        )
        assert answer.status_code in FINE, answer.content

    read()


def test_any_query_gets_a_clear_answer() -> None:
    client, progress = Client(raise_request_exception=False), Progress("queries")
    headers = bearer(42)
    names = st.sampled_from(["numbers", "force_cache_miss", "format", "page", "", "numbers[]"])

    @share(15)
    @given(query=st.lists(st.tuples(names | TEXT, TEXT), max_size=4))
    def read(query: list[tuple[str, str]]) -> None:
        progress.tick()
        encoded = "&".join(
            "=".join(quote(part.encode("utf-8", "surrogatepass"), safe=",") for part in pair)
            for pair in query
        )
        answer = client.get(f"/api/v1/payments/?{encoded}", headers=headers)
        assert answer.status_code in FINE, answer.content

    read()
