"""The admin beside the status page: what matters is in its first columns, and evidence stays."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from coordinator.ledger.models import Change
from coordinator.operations.models import Intervention
from coordinator.payments.amounts import in_words
from coordinator.warmer.models import Finding
from tests.integration.status.conftest import Staff
from tests.integration.status.test_pages import abandon
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.upstream import Upstream

CHANGES = "/admin/coordinator_ledger/change/"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_changes_are_filtered_by_whether_they_wait(root: Client) -> None:
    record("succeeded", at=1, number="EDX-1")
    settle()
    record("succeeded", at=1, number="EDX-2")
    waiting = root.get(CHANGES, {"settled": "no"}).content.decode()
    assert "EDX-2" in waiting
    assert "EDX-1" not in waiting
    done = root.get(CHANGES, {"settled": "yes"}).content.decode()
    assert "EDX-1" in done
    assert "EDX-2" not in done


def test_outcome_reason_and_seconds_come_before_the_details(root: Client) -> None:
    record("succeeded", at=1)
    page = root.get(CHANGES).content.decode()
    columns = [page.index(f"column-{name}") for name in ("how_it_ended", "reason", "seconds")]
    assert max(columns) < page.index("column-event_type")
    assert "unsettled" in page


def test_trying_again_needs_the_permission_to_change(staff: Staff, upstream: Upstream) -> None:
    change = abandon(upstream)
    data = {"action": "try_again", "_selected_action": [change.pk]}
    staff("view_change").post(CHANGES, data)
    assert Change.objects.get().outcome == "abandoned"
    staff("view_change", "change_change", name="bob").post(CHANGES, data)
    assert Change.objects.get().outcome == ""


@pytest.mark.parametrize(
    "name", ["coordinator_warmer/finding", "coordinator_operations/intervention"]
)
def test_evidence_can_be_neither_changed_nor_deleted(root: Client, name: str) -> None:
    finding = Finding.objects.create(resource="payment", identifier="EDX-1", revision=1)
    done = Intervention.objects.create(by="ada", action="warm", target="x", reason="y")
    pk = finding.pk if name.endswith("finding") else done.pk
    assert root.post(f"/admin/{name}/{pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.post(f"/admin/{name}/{pk}/change/", {"reason": "other"}).status_code == 403
    root.post(f"/admin/{name}/", {"action": "delete_selected", "_selected_action": [pk]})
    assert (Finding.objects.count(), Intervention.objects.count()) == (1, 1)


def test_a_payments_amounts_are_written_as_people_do(root: Client) -> None:
    record("succeeded", at=1, amount=123450, currency="usd")
    page = root.get("/admin/coordinator_payments/payment/").content.decode()
    assert "1,234.50 USD" in page


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123450, "usd", "1,234.50 USD"),
        (5, "EUR", "0.05 EUR"),
        (1234, "jpy", "1,234 JPY"),
        (1234, "kwd", "1.234 KWD"),
        (-150, "usd", "-1.50 USD"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(amount: int, currency: str, text: str) -> None:
    assert in_words(amount, currency) == text
