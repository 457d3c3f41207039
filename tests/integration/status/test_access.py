"""Who sees the status page, and who may do what there: closed unless a permission opens it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from coordinator.core import switches
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.operations.models import Intervention
from coordinator.operations.status.actions import ACTIONS
from tests.integration.status.conftest import READ_ONLY, Staff
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.upstream import Upstream

PAGES = [
    "/status/",
    "/status/find/?name=EDX-1",
    "/status/things/payment/EDX-1/",
    "/status/abandoned/",
    "/status/findings/",
    "/status/upstream/",
    "/status/work/",
    "/status/done/",
    "/status/help/",
]
NEEDS = {
    "/status/things/payment/EDX-1/": "view_change",
    "/status/find/?name=EDX-1": "view_change",
    "/status/abandoned/": "view_change",
    "/status/findings/": "view_finding",
    "/status/done/": "view_intervention",
}
DOING = {
    "switch": {"switch": "warming", "position": "paused", "minutes": "15"},
    "warm": {"resource": "payment", "identifier": "EDX-1"},
    "settle": {"resource": "payment", "identifier": "EDX-1"},
    "verify": {"resource": "payment", "identifier": "EDX-1"},
    "ask": {"resource": "payment", "identifier": "EDX-1"},
    "retry": {"all": "yes"},
    "verify-sample": {},
}


@pytest.mark.parametrize("page", [*PAGES, "/status/do/warm/"])
def test_a_visitor_is_sent_to_sign_in_and_comes_back(page: str) -> None:
    answer = Client().get(page)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/?next=/status/")


@pytest.mark.parametrize("page", PAGES)
def test_a_user_who_is_no_staff_is_sent_to_sign_in(page: str) -> None:
    client = Client()
    client.force_login(User.objects.create_user("eve"))
    assert client.get(page).status_code == 302


@pytest.mark.parametrize("page", PAGES)
def test_staff_without_any_permission_sees_no_page(page: str, staff: Staff) -> None:
    answer = staff().get(page)
    assert answer.status_code == 403
    assert b"ada" in answer.content


@pytest.mark.parametrize("page", PAGES)
def test_staff_sees_a_page_with_its_permission_and_not_without(page: str, staff: Staff) -> None:
    record("succeeded", at=1)
    needed = NEEDS.get(page)
    with_it = staff(*{"view_status", *([needed] if needed else [])})
    assert with_it.get(page, follow=True).status_code == 200
    if needed:
        assert staff("view_status", name="bob").get(page).status_code == 403


def test_the_front_page_leads_staff_to_the_status_page(staff: Staff) -> None:
    answer = staff("view_status").get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/status/")


def test_the_front_page_leads_others_to_the_documentation_of_the_api() -> None:
    answer = Client().get("/")
    assert answer.status_code == 200
    assert b'href="/api/docs/"' in answer.content
    assert b'href="/status/"' in answer.content


def test_every_action_is_among_those_that_the_tests_try() -> None:
    assert set(DOING) == set(ACTIONS)


@pytest.mark.parametrize("name", DOING)
@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_who_may_only_look_can_do_nothing(
    name: str, method: str, staff: Staff, upstream: Upstream
) -> None:
    record("succeeded", at=1)
    client = staff(*READ_ONLY)
    before = list(Change.objects.values())
    answer = getattr(client, method)(f"/status/do/{name}/", {**DOING[name], "reason": "to try"})
    assert answer.status_code == 403
    assert list(Change.objects.values()) == before
    assert upstream.calls == []
    assert not Intervention.objects.exists()
    assert not switches.warming_paused()


def test_staff_who_may_only_look_is_offered_nothing_to_do(staff: Staff, upstream: Upstream) -> None:
    upstream.always_fails("EDX-1", CoordinatorError(permanent=True))
    record("succeeded", at=1)
    settle()
    client = staff(*READ_ONLY)
    for page in PAGES:
        assert b"/status/do/" not in client.get(page, follow=True).content, page


@pytest.mark.parametrize("name", DOING)
def test_an_action_needs_its_own_permission_and_no_other(name: str, staff: Staff) -> None:
    record("succeeded", at=1)
    needed = ACTIONS[name].permission
    others = {action.permission for action in ACTIONS.values()} - {needed}
    address = f"/status/do/{name}/"
    assert staff(*READ_ONLY, *others).get(address, DOING[name]).status_code == 403
    assert staff(*READ_ONLY, needed, name="bob").get(address, DOING[name]).status_code == 200


@pytest.mark.parametrize("name", DOING)
@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_nothing_is_done_without_a_reason_of_a_sentence(
    name: str, reason: str, staff: Staff
) -> None:
    record("succeeded", at=1)
    client = staff(*READ_ONLY, ACTIONS[name].permission)
    answer = client.post(f"/status/do/{name}/", {**DOING[name], "reason": reason})
    assert answer.status_code == 400
    assert not Intervention.objects.exists()


def test_nothing_is_done_for_a_form_of_another_site(staff: Staff) -> None:
    staff(*READ_ONLY, "throw_switch")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="ada"))
    answer = client.post("/status/do/switch/", {**DOING["switch"], "reason": "to try"})
    assert answer.status_code == 403
    assert not Intervention.objects.exists()


@pytest.mark.parametrize(
    "page", ["/status/do/none/", "/status/do/warm/?resource=none&identifier=1"]
)
def test_an_action_that_does_not_exist_is_not_found(page: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(page).status_code == 404


def test_permissions_are_those_that_the_actions_ask_for() -> None:
    declared = {name for name, _ in Intervention._meta.permissions} - {"view_status"}
    assert {action.permission for action in ACTIONS.values()} == declared
