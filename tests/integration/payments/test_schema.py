"""The OpenAPI document: complete, true of the running API, and shown without anybody's help."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
import urllib3
from hypothesis import HealthCheck, Phase, given
from pytest_django import Settings

from coordinator.payments import states
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import SimulatorServer
from tests.integration.payments.tokens import bearer

NUMBER = "EDX-1001"


@pytest.fixture
def document(site: Site) -> dict[str, Any]:
    """Return the document as it is served."""
    answer: Any = site.client.get("/api/schema/")
    assert answer.status_code == 200
    content: dict[str, Any] = answer.json()
    return content


@pytest.fixture
def api_schema(
    running_site: str, site: Site, simulator: SimulatorServer, settings: Settings
) -> Any:
    """Return the running API's schema, with one payment to be found."""
    settings.COORDINATOR_USER_READS_PER_MINUTE = 0
    site.told(simulator, simulator.pay(NUMBER))
    return schemathesis.openapi.from_url(f"{running_site}/api/schema/")


def checked(schema: Any, headers: Iterable[Mapping[str, str]], *, examples: int) -> dict[str, int]:
    """Ask each operation `examples` times, and return how often each status came.

    Raise what schemathesis finds: an answer that the schema doesn't declare or that isn't of its
    form, a server error, input that should have been refused, a missing header.
    """
    statuses: Counter[str] = Counter()

    def ask(case: schemathesis.Case[Any]) -> None:
        for sent in headers:
            statuses[str(case.call_and_validate(headers=dict(sent)).status_code)] += 1

    for operation in schema.get_all_operations():
        cases = operation.ok().as_strategy(
            generation_mode=schemathesis.GenerationMode.POSITIVE
        ) | operation.ok().as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
        bounded = hypothesis.settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        # Any: schemathesis gives a union of strategies that hypothesis has no type for.
        run: Any = given(cases)
        bounded(run(ask))()
    return dict(statuses)


def test_the_running_api_does_what_its_schema_says(api_schema: Any) -> None:
    statuses = checked(api_schema, [bearer()], examples=80)
    assert set(statuses) >= {"200", "400", "404"}


def test_the_running_api_keeps_to_its_schema_for_strangers_and_the_anonymous(
    api_schema: Any,
) -> None:
    statuses = checked(api_schema, [bearer(43), {}], examples=20)
    assert set(statuses) >= {"200", "401", "404"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/api/v1/payments/{NUMBER}/", "PaymentDetails"),
        (f"/api/v1/payments/?numbers={NUMBER},EDX-0", "Payments"),
        (f"/api/v1/payments/{NUMBER}/events/", "PaymentEvents"),
        ("/api/v1/payments/EDX-0/", "Problem"),
    ],
)
def test_what_is_found_has_the_form_that_the_schema_declares(
    running_site: str,
    site: Site,
    simulator: SimulatorServer,
    document: dict[str, Any],
    path: str,
    name: str,
) -> None:
    site.told(simulator, simulator.pay(NUMBER))
    answer = urllib3.request("GET", f"{running_site}{path}", headers=bearer())
    rules = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema_rs.validate(rules, answer.json())


def test_the_document_is_openapi_31_and_names_every_address(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert set(document["paths"]) == {
        "/api/v1/payments/",
        "/api/v1/payments/{number}/",
        "/api/v1/payments/{number}/events/",
    }


def test_the_document_lists_the_states_of_the_table(document: dict[str, Any]) -> None:
    details = document["components"]["schemas"]["PaymentDetails"]
    assert details["properties"]["state"]["enum"] == [state.name for state in states.TABLE]
    assert details["properties"]["created_at"]["anyOf"][0]["format"] == "date-time"


def test_the_page_shows_the_document_without_asking_other_servers(site: Site) -> None:
    page: Any = site.client.get("/api/docs/")
    assert page.status_code == 200
    assert b"/static/drf_spectacular_sidecar/" in page.content
    script: Any = site.client.get("/api/docs/?script=")
    assert b"/api/schema/" in script.content
    for content in (page.content, script.content):
        assert b"https://" not in content
        assert b"cdn" not in content
