"""The simulator fails as it is told to, counts what it is asked, and starts and ends cleanly."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe
import urllib3

from tests.integration.simulator_process import (
    QUICK,
    RunningSimulator,
    running_simulator,
    start_simulator,
    wait_until_ready,
)
from tools.simulator.clients import DEFAULT_SHOPPER_KEY

FAULTLESS = {
    "latency_ms": 0,
    "error_rate": 0,
    "drop_rate": 0,
    "rate_limit_rps": 0,
    "stall_seconds": 0,
    "lag_seconds": 0,
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """Yield one simulator for all tests of this module."""
    with running_simulator(*QUICK) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: RunningSimulator) -> RunningSimulator:
    """Return the simulator without faults, and nothing counted."""
    running.configure(**FAULTLESS)
    running.control("DELETE", "stats")
    return running


# -- faults --------------------------------------------------------------------------------------


def ask_until_refused(simulator: RunningSimulator) -> None:
    while True:
        simulator.service.v1.payment_intents.list()


def test_requests_beyond_the_limit_get_429_and_the_others_are_served() -> None:
    with running_simulator(*QUICK, "--rate-limit", "5") as simulator:
        path = f"/v1/payment_intents/{simulator.made().id}"
        started = time.monotonic()
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: simulator.ask("GET", path), range(10)))
        windows = math.ceil(time.monotonic() - started)
        assert simulator.stats()["peak_rps"] > 5, "refused requests count as well"
        with pytest.raises(stripe.RateLimitError):
            ask_until_refused(simulator)
    refused = [answer for answer in answers if answer.status == 429]
    # As many as fit into each second that it took; on most machines that is one.
    assert 5 <= 10 - len(refused) <= 5 * windows
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}


def test_errors_are_of_all_kinds_and_nothing_was_done(simulator: RunningSimulator) -> None:
    intent = simulator.made()
    simulator.configure(error_rate=1)
    statuses = {
        simulator.ask("POST", f"/v1/payment_intents/{intent.id}/cancel").status for _ in range(30)
    }
    assert statuses == {500, 502, 503}
    with pytest.raises(stripe.APIError):
        simulator.service.v1.payment_intents.retrieve(intent.id)
    assert simulator.stats(intent.id)["requests_per_payment"] == {intent.id: 31}
    simulator.configure(error_rate=0)
    assert simulator.service.v1.payment_intents.retrieve(intent.id).status == intent.status


def test_an_answer_can_get_lost_after_the_work_was_done(simulator: RunningSimulator) -> None:
    intent = simulator.made()
    simulator.configure(drop_rate=1)
    with pytest.raises(urllib3.exceptions.HTTPError):
        simulator.ask("POST", f"/v1/payment_intents/{intent.id}/cancel")
    assert simulator.shopper.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_answers_take_as_long_as_asked_for_and_shoppers_dont_wait(
    simulator: RunningSimulator,
) -> None:
    intent = simulator.made()
    simulator.configure(latency_ms=300)
    started = time.monotonic()
    simulator.service.v1.payment_intents.retrieve(intent.id)
    assert time.monotonic() - started >= 0.3
    simulator.configure(latency_ms=60_000)
    assert simulator.shopper.v1.payment_intents.retrieve(intent.id).id == intent.id


def test_a_stall_outlasts_the_clients_patience(simulator: RunningSimulator) -> None:
    intent = simulator.made()
    simulator.configure(stall_seconds=600)
    with pytest.raises(urllib3.exceptions.HTTPError):
        simulator.ask("GET", f"/v1/payment_intents/{intent.id}", timeout=0.2)
    simulator.configure(stall_seconds=0)
    assert simulator.service.v1.payment_intents.retrieve(intent.id).id == intent.id


def test_reads_lag_behind_and_events_do_not(simulator: RunningSimulator) -> None:
    intent = simulator.made()
    simulator.configure(lag_seconds=200)
    late = simulator.made()
    simulator.shopper.v1.payment_intents.confirm(late.id, {"payment_method": "pm_card_visa"})
    for path in (f"/v1/payment_intents/{late.id}", f"/rest/payments/{late.id}"):
        assert simulator.ask("GET", path).status == 404, "200 seconds ago there was none"
    listed = simulator.service.v1.payment_intents.list()
    assert {intent.id, late.id}.isdisjoint(each.id for each in listed.data)
    newest = simulator.service.v1.events.list({"limit": 1}).data[0]
    assert newest.data.object.id == late.id
    simulator.configure(lag_seconds=0)
    assert simulator.service.v1.payment_intents.retrieve(late.id).status == "succeeded"


# -- counting ------------------------------------------------------------------------------------


def test_service_and_shoppers_are_counted_apart(simulator: RunningSimulator) -> None:
    intent = simulator.paid()
    simulator.ask("GET", f"/v1/payment_intents/{intent.id}")
    simulator.ask("GET", f"/v1/payment_intents/{intent.id}", key=DEFAULT_SHOPPER_KEY)
    simulator.ask("GET", f"/v1/payment_intents/{intent.id}", key="sk_stranger")
    stats = simulator.stats(intent.id)
    assert stats["by_kind"] == {"GET /v1/payment_intents/{intent}": 2}
    assert stats["by_status"] == {"200": 1, "401": 1}
    # The stranger is counted with the service: whoever it was, the provider was asked.
    assert stats["requests_per_payment"] == {intent.id: 2}
    assert stats["shoppers"]["requests"] == 2


def test_requests_at_the_same_time_are_counted_exactly(simulator: RunningSimulator) -> None:
    intent = simulator.made()
    simulator.configure(latency_ms=800)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: simulator.ask("GET", f"/v1/payment_intents/{intent.id}"), range(8)))
    stats = simulator.stats(intent.id)
    assert stats["concurrent_peak"] == 8
    assert (stats["concurrent"], stats["requests"]) == (0, 8)
    assert stats["requests_per_payment"] == {intent.id: 8}


# -- starting, preloading, ending ----------------------------------------------------------------


def test_payments_of_long_ago_are_there_from_the_start_the_same_every_time() -> None:
    def first_page(*options: str) -> list[str]:
        with running_simulator(*QUICK, "--payments", "500", *options) as simulator:
            page = simulator.service.v1.payment_intents.list({"limit": 100})
            assert len(list(page.auto_paging_iter())) == 500
            return [intent.id for intent in page.data]

    assert first_page() == first_page()
    assert first_page("--seed", "2") != first_page()


def test_payments_of_long_ago_can_be_made_later_on(simulator: RunningSimulator) -> None:
    wanted = {"count": 3, "first_number": 900_001, "state": "refunded", "spread_seconds": 60}
    shown = simulator.control("POST", "payments", wanted)
    assert (shown["first_number"], shown["last_number"]) == ("EDX-900001", "EDX-900003")
    intent = simulator.service.v1.payment_intents.retrieve(
        shown["payments"][0]["id"], {"expand": ["latest_charge"]}
    )
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert intent.latest_charge.refunded
    assert simulator.ask("POST", "/_simulator/payments", body=wanted).status == 400


def test_of_too_many_payments_the_oldest_are_forgotten() -> None:
    with running_simulator(*QUICK, "--max-payments", "3") as simulator:
        ids = [simulator.made().id for _ in range(4)]
        intents = simulator.service.v1.payment_intents
        assert [each.id for each in intents.list().data] == ids[:0:-1]
        with pytest.raises(stripe.InvalidRequestError):
            intents.retrieve(ids[0])


def test_sigterm_ends_it_cleanly_even_with_a_request_under_way() -> None:
    process = start_simulator(*QUICK, "--stall-seconds", "600")
    with process:
        ready = wait_until_ready(process)
        simulator = RunningSimulator(process, ready["url"])
        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(simulator.ask, "GET", "/v1/payment_intents")
            simulator.wait_until(lambda stats: stats["concurrent"] == 1)
            process.terminate()
            assert process.wait(10) == 0
            with pytest.raises(urllib3.exceptions.HTTPError):
                hanging.result()


def test_a_port_that_is_taken_is_said_so(running: RunningSimulator) -> None:
    port = running.url.rpartition(":")[2]
    process = start_simulator("--port", port)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
