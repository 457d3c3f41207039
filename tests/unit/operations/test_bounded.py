"""A check that hangs costs whoever asks a bounded time, and one thread."""

import threading
import time

from coordinator.operations.health.bounded import Check, CheckResult, findings

PATIENCE_SECONDS = 10.0


class Hung:
    """A look that takes as long as the test wants."""

    def __init__(self) -> None:
        self.begun = 0
        self.let_go = threading.Event()

    def __call__(self) -> CheckResult:
        self.begun += 1
        assert self.let_go.wait(PATIENCE_SECONDS)
        return CheckResult(True)


def ended(check: Check) -> None:
    """Return once the check that runs has ended."""
    check.begin().result(PATIENCE_SECONDS)


def test_a_finding_comes_with_its_details_and_what_it_took() -> None:
    check = Check("one", lambda: CheckResult(True, {"changes": 3}))
    found = findings([check], PATIENCE_SECONDS)["one"]
    assert (found.ok, found.details) == (True, {"changes": 3})
    assert 0 <= found.seconds < PATIENCE_SECONDS


def test_an_error_is_a_finding_that_tells_its_kind_and_no_more() -> None:
    def look() -> CheckResult:
        raise ConnectionRefusedError("to db.example.org as postgres")

    found = findings([Check("one", look)], PATIENCE_SECONDS)["one"]
    assert (found.ok, found.details) == (False, {"error": "ConnectionRefusedError"})


def test_one_that_hangs_is_not_well_and_keeps_nobody() -> None:
    hung = Hung()
    check = Check("hung", hung)
    began = time.monotonic()
    found = findings([check, Check("well", lambda: CheckResult(True))], 0.05)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    assert not found["hung"].ok
    assert found["hung"].details == {"error": "no answer within 0.05 s"}
    assert found["well"].ok
    hung.let_go.set()
    ended(check)


def test_however_many_ask_only_one_hangs() -> None:
    hung = Hung()
    check = Check("hung", hung)
    for _ in range(20):
        findings([check], 0.001)
    assert hung.begun == 1
    hung.let_go.set()
    ended(check)
    assert findings([check], PATIENCE_SECONDS)["hung"].ok


def test_whoever_asks_while_it_runs_shares_its_answer() -> None:
    hung = Hung()
    check = Check("hung", hung)
    first, second = check.begin(), check.begin()
    hung.let_go.set()
    assert first.result(PATIENCE_SECONDS) is second.result(PATIENCE_SECONDS)
    assert hung.begun == 1


def test_all_checks_together_take_no_longer_than_one_may() -> None:
    hung = [Hung() for _ in range(4)]
    checks = [Check(f"hung-{number}", one) for number, one in enumerate(hung)]
    began = time.monotonic()
    findings(checks, 1.0)
    took = time.monotonic() - began
    for one, check in zip(hung, checks, strict=True):
        one.let_go.set()
        ended(check)
    # One after the other they would take as often as long as there are checks.
    assert 1.0 <= took < len(checks) * 1.0


def test_even_what_no_check_should_raise_leaves_an_answer() -> None:
    def look() -> CheckResult:
        raise SystemExit

    check = Check("one", look)
    for _ in range(2):
        assert not findings([check], PATIENCE_SECONDS)["one"].ok
