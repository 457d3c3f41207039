"""What each page of the status page shows, and what asking for it costs."""

import json
import re
import threading
import time
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coordinator.celery import lifecycle
from coordinator.core import cache, clock, events, register
from coordinator.core.read import read
from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.ledger.signals import changes_ended
from coordinator.operations import heartbeat
from coordinator.operations.metrics.reads import ReadCounts
from coordinator.operations.status import counters, counting, figures, ledger
from coordinator.payments.models import Payment
from coordinator.upstream import events as upstream_events
from coordinator.warmer.models import Finding, Watermark
from tests.support.payments import record
from tests.support.settling import recorded_before, settle
from tests.support.upstream import Upstream

PAGES = [
    "/status/",
    "/status/things/payment/EDX-1/",
    "/status/abandoned/",
    "/status/findings/",
    "/status/upstream/",
    "/status/work/",
    "/status/done/",
    "/status/help/",
    "/status/do/switch/?switch=warming&position=paused",
]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def text(client: Client, page: str, **headers: str) -> str:
    """Return the page's words, without its tags."""
    answer = client.get(page, headers=headers)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def abandon(upstream: Upstream, number: str = "EDX-1", reason: str = "") -> Change:
    """Have a change given up, and return it."""
    upstream.always_fails(number, CoordinatorError(permanent=True))
    recorded = record("succeeded", at=1, number=number)
    settle()
    assert recorded.change is not None
    if reason:
        Change.objects.filter(pk=recorded.change.pk).update(reason=reason)
    change = Change.objects.get(pk=recorded.change.pk)
    assert change.outcome == "abandoned"
    return change


def test_now_shows_a_change_as_it_is_recorded_and_then_warm(client: Client) -> None:
    record("succeeded", at=1)
    assert "payment.EDX-1 1 succeeded payment_intent.succeeded unsettled" in text(
        client, "/status/"
    )
    settle()
    assert re.search(r"succeeded warmed \d+ ms|succeeded warmed [\d.]+ s", text(client, "/status/"))


def test_the_part_that_the_script_asks_for_is_the_page_without_its_frame(client: Client) -> None:
    record("succeeded", at=1)
    answer = client.get("/status/", headers={"X-Status-Part": "live"})
    assert b"EDX-1" in answer.content
    assert b"Hit ratio" in answer.content
    assert b"<html" not in answer.content
    assert b"<script" not in answer.content


def test_no_page_is_kept_by_a_browser_or_a_proxy(client: Client) -> None:
    for page in PAGES:
        assert "no-store" in client.get(page).headers["Cache-Control"], page


class Inline(HTMLParser):
    """Notes scripts and styles that the Content-Security-Policy would have to allow by name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        names = dict(attrs)
        self.found += [name for name in names if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)


@pytest.mark.parametrize("page", ["/", *PAGES])
def test_no_page_has_a_script_or_a_style_of_its_own(client: Client, page: str) -> None:
    record("succeeded", at=1)
    found = Inline()
    found.feed(client.get(page, follow=True).content.decode())
    assert found.found == []


def test_what_a_sender_wrote_is_text_and_no_markup(client: Client, upstream: Upstream) -> None:
    abandon(upstream, reason="<script>alert(1)</script>")
    Payment.objects.update(order_reference="<b>x</b>")
    for page in ("/status/", "/status/abandoned/", "/status/things/payment/EDX-1/"):
        content = client.get(page).content
        assert b"<script>alert" not in content
        assert b"<b>x" not in content


def test_a_things_page_tells_ledger_pointer_entries_and_history(client: Client) -> None:
    record("processing", at=1, amount=123450, currency="usd")
    settle()
    record("succeeded", at=2, amount=123450, amount_received=123450, currency="usd")
    settle()
    shown = text(client, "/status/things/payment/EDX-1/")
    assert "Amount received 1,234.50 USD" in shown
    assert "Revision 2" in shown
    assert "use the entry of &#x27;succeeded&#x27;" in shown
    assert "payment.EDX-1.succeeded" in shown
    assert re.search(r"2 succeeded payment_intent\.succeeded warmed .* 1 processing", shown)


def test_a_thing_that_is_not_known_is_said_to_be_so(client: Client) -> None:
    answer = client.get("/status/things/payment/EDX-404/")
    assert answer.status_code == 404
    assert b"Nothing is known of it" in answer.content


@pytest.mark.parametrize("page", ["/status/things/none/EDX-1/", "/status/things/payment/a%20b/"])
def test_what_can_be_no_thing_is_not_found(client: Client, page: str) -> None:
    assert client.get(page).status_code == 404


@pytest.mark.parametrize("name", ["EDX-1", "payment.EDX-1", "payments.EDX-1.succeeded", "pi_EDX-1"])
def test_a_thing_is_found_by_any_of_its_names(client: Client, name: str) -> None:
    record("succeeded", at=1)
    answer = client.get("/status/find/", {"name": name})
    assert answer.headers["Location"] == "/status/things/payment/EDX-1/"


def test_what_nothing_is_called_is_said_on_the_page(client: Client) -> None:
    answer = client.get("/status/find/", {"name": "nothing"}, follow=True)
    assert b"Nothing is known as" in answer.content


def test_abandoned_changes_are_grouped_by_reason(client: Client, upstream: Upstream) -> None:
    abandon(upstream, "EDX-1", reason="upstream_bad_answer: amount")
    abandon(upstream, "EDX-2", reason="upstream_bad_answer: amount")
    abandon(upstream, "EDX-3", reason="too large")
    shown = text(client, "/status/abandoned/")
    assert "3, by reason" in shown
    assert "upstream_bad_answer: amount (2)" in shown
    assert "too large (1)" in shown


def test_findings_show_the_evidence_and_nothing_that_deletes_it(client: Client) -> None:
    Finding.objects.create(
        resource="payment", identifier="EDX-1", revision=3, between="entry", differing="amount"
    )
    shown = text(client, "/status/findings/")
    assert "payment.EDX-1 3 entry and upstream amount" in shown
    assert "delete" not in shown.lower()


def test_upstream_shows_who_uses_it_and_errors_by_kind(
    client: Client, counted: counters.SharedCounters, upstream: Upstream
) -> None:
    finished = upstream_events.RequestFinished("beat", "GET", "api:443", 200, 0.1, 3)
    counting.on_upstream(finished)
    counting.on_upstream(upstream_events.BudgetWaited("beat", "api:443", 1.5, granted=False))
    counting.on_load(events.LoadFinished("payment", "beat", 0.1, 4, "upstream_bad_answer"))
    counting.on_upstream(upstream_events.BreakerChanged("api:443", "closed", "open"))
    counted.flush()
    abandon(upstream)
    Change.objects.update(outcome="", reason="upstream_bad_answer: amount")
    shown = text(client, "/status/upstream/")
    assert "beat 60 % 3 4 1 1.5 s 1" in shown
    assert "upstream_bad_answer 4 0.0 s ago" in shown
    assert "upstream_bad_answer: amount 1" in shown
    assert "Breaker open in 1" in shown


def test_work_shows_beats_processes_and_how_far_long_work_is(client: Client) -> None:
    register.note(lifecycle.TASKS, "reconcile", "FAILURE")
    register.note(heartbeat.REGISTER, "worker host 12", "worker")
    Watermark.reach("backfill payment", position=41)
    shown = text(client, "/status/work/")
    assert "Records what no webhook told 5.0 min 0.0 s ago, failed in 5.0 min" in shown
    assert "worker host 12 0.0 s ago" in shown
    assert "backfill payment row 41" in shown


def test_a_beat_that_did_not_come_is_late_and_a_worker_that_went_is_gone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    register.note(lifecycle.TASKS, "reconcile", "SUCCESS")
    register.note(heartbeat.REGISTER, "worker host 12", "worker")
    later = time.time() + 3600
    monkeypatch.setattr(clock, "current", lambda: At(later))
    shown = text(client, "/status/work/")
    assert "1.0 h ago, late due" in shown
    assert "worker host 12" not in shown
    assert "late: reconcile" in shown


class At:
    """A clock that stands."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        """Return the time at which it stands."""
        return self._now

    def monotonic(self) -> float:
        """Return the time at which it stands."""
        return self._now


# -- the strip ---------------------------------------------------------------------------------


def strip() -> dict[str, tuple[str, str]]:
    """Return value and state of the strip's figures."""
    return {one.label: (one.value, one.state) for one in figures.strip()}


def test_the_strip_of_a_system_that_does_nothing_is_quiet() -> None:
    shown = strip()
    assert shown["Hit ratio"] == ("no reads", "quiet")
    assert shown["Commit to warm"] == ("no changes", "quiet")
    assert shown["Oldest unsettled"] == ("none", "ok")
    assert shown["Breaker"] == ("closed", "ok")


def test_the_hit_ratio_is_of_all_processes_and_outlives_them(
    each_cache: str, counted: counters.SharedCounters
) -> None:
    other = counters.SharedCounters()
    other._awaited = True
    for process in (counted, other):
        process.add("reads.hit", 49)
        process.add("reads.miss", 1)
        process.flush()
    del counted, other
    assert strip()["Hit ratio"] == ("98.0%", "ok")


def test_reads_are_told_to_the_counters(
    payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:

    told: dict[str, int] = {}
    counts = ReadCounts(together=False)
    counts.tell(lambda outcome, count: told.__setitem__(outcome, count))
    counts._awaited = True
    stop = events.subscribe(counts.add, events.EntryRead)
    record("succeeded", at=1)
    for _ in range(3):
        read(payments, "EDX-1")
    counts.flush()
    stop()
    assert told == {"miss": 1, "hit": 2}


def test_a_ratio_with_misses_is_never_shown_as_a_hundred(counted: counters.SharedCounters) -> None:
    counted.add("reads.hit", 99_999)
    counted.add("reads.miss", 1)
    counted.flush()
    assert strip()["Hit ratio"][0] == "99.9%"


def test_commit_to_warm_is_rounded_up_to_a_step() -> None:
    buckets = [0] * (len(counting.WARM_BOUNDS) + 1)
    buckets[5], buckets[13] = 98, 2
    assert figures.percentile(buckets, 0.5) == counting.WARM_BOUNDS[5]
    assert figures.percentile(buckets, 0.99) == counting.WARM_BOUNDS[13]
    assert figures.percentile([0] * len(buckets), 0.5) is None
    buckets[-1] = 1000
    assert figures.percentile(buckets, 0.99) == float("inf")


def test_settled_changes_are_counted_with_their_time_to_warm(
    counted: counters.SharedCounters,
) -> None:
    changes_ended.connect(counting.on_changes_ended)
    try:
        record("succeeded", at=1)
        settle()
    finally:
        changes_ended.disconnect(counting.on_changes_ended)
    counted.flush()
    assert re.fullmatch(r"\d+ ms / \d+ ms|[\d.]+ s / [\d.]+ s", strip()["Commit to warm"][0])
    assert figures.sparklines()["settled"][-1].count == 1


def test_an_old_backlog_calls_for_a_look() -> None:
    record("succeeded", at=1)
    recorded_before(seconds=3600)
    assert strip()["Oldest unsettled"] == ("1.0 h (1 wait)", "bad")


def test_without_the_cache_a_page_is_shown_all_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "get_shared", lambda _: cache.Held({}, False))
    record("succeeded", at=1)
    assert "EDX-1" in text(client, "/status/")
    assert "The cache did not answer" in text(client, "/status/things/payment/EDX-1/")


def test_counters_leave_out_what_is_no_number(counted: counters.SharedCounters) -> None:
    counted.add("reads.hit", 2)
    counted.flush()
    (key,) = [counters._key(counters._this_minute(), "reads.hit")]
    assert cache.publish(key, b"foreign", 60)
    assert sum(counters.by_minute(["reads.hit"], 1)["reads.hit"]) == 0


def test_what_a_process_counts_is_added_from_a_thread_of_its_own() -> None:
    own = AddsAndTells()
    own.add("reads.hit", 5)
    own.add("reads.hit", 2)
    assert own.added.wait(30)
    assert own.thread is not threading.current_thread()
    assert sum(counters.by_minute(["reads.hit"], 2)["reads.hit"]) == 7


class AddsAndTells(counters.SharedCounters):
    """Counters that tell when a thread has added what was counted."""

    def __init__(self) -> None:
        super().__init__()
        self.added = threading.Event()
        self.thread: threading.Thread | None = None

    def flush(self) -> None:
        """Add, and tell."""
        super().flush()
        self.thread = threading.current_thread()
        self.added.set()


# -- what it costs -----------------------------------------------------------------------------


def many_changes(count: int) -> None:
    """Fill the ledger: most are settled, some wait, some were given up."""
    now = timezone.now()
    Change.objects.bulk_create(
        (
            Change(
                resource="payment",
                identifier=f"EDX-{number}",
                revision=1,
                state="succeeded",
                event_id=f"evt_many_{number}",
                event_type="payment_intent.succeeded",
                recorded_at=now - timedelta(seconds=count - number),
                outcome=("abandoned" if number % 10 == 0 else "" if number % 7 == 0 else "warmed"),
                reason="upstream_timeout" if number % 10 == 0 else "",
                ended_at=now,
                confirmed_at=now,
            )
            for number in range(count)
        ),
        batch_size=1000,
    )


def test_a_page_asks_as_many_questions_of_many_changes_as_of_few(client: Client) -> None:
    record("succeeded", at=1)
    few = {page: len(queries(client, page)) for page in PAGES}
    many_changes(10_000)
    assert {page: len(queries(client, page)) for page in PAGES} == few
    # Session and account, the backlog, and the page's own.
    assert max(few.values()) <= 8


@pytest.mark.parametrize(
    "page", ["/status/", "/status/things/payment/EDX-1/", "/status/abandoned/"]
)
def test_every_question_about_the_log_is_answered_by_an_index(client: Client, page: str) -> None:
    record("succeeded", at=1)
    many_changes(2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        asked = [sql for sql in queries(client, page) if Change._meta.db_table in sql]
        assert asked
        for sql in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = json.dumps(cursor.fetchall())
            # The newest changes are read along the primary key, from its end.
            along = "ORDER BY" in sql and "LIMIT 30" in sql
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan or along, plan


def test_groups_of_abandoned_changes_look_at_a_bounded_number() -> None:
    many_changes(ledger.MOST * 11)
    assert sum(group.count for group in ledger.groups()) == ledger.MOST


def queries(client: Client, page: str) -> list[str]:
    """Return the statements that asking for the page takes."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page, headers={"X-Status-Part": "live"}).status_code == 200
    return [one["sql"] for one in captured.captured_queries]
