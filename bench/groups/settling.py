"""Settling the change log by the page, beside Celery tasks in the same worker."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

from bench import ledgers, things
from bench.figures import Figure, Goal, at_least
from bench.options import Options
from bench.site import Site, wait_until
from bench.tasks import load_one, noop
from coordinator.celery import doorbell


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    rounds = options.of(3, 7)
    settled, tasks = [], []
    slow_settled, slow_tasks = [], []
    for number in range(rounds):
        tasks.append(_tasks_per_second(site, options.of(500, 2_000), _publish_noops))
        settled.append(_settled_per_second(site, options.of(1_000, 4_000), f"S{number}", "fast"))
        slow_tasks.append(_tasks_per_second(site, options.of(100, 400), _publish_slow))
        slow_settled.append(_settled_per_second(site, options.of(600, 2_000), f"L{number}", "slow"))
    return [
        _per_second(
            "changes settled, upstream at once",
            settled,
            tasks,
            "no-op tasks",
            at_least(10),
        ),
        _per_second(
            "changes settled, upstream at 50 ms, in bulk",
            slow_settled,
            slow_tasks,
            "tasks, one load each",
            at_least(10),
        ),
    ]


def _per_second(
    name: str, ours: list[float], others: list[float], against: str, goal: Goal
) -> Figure:
    mine, theirs = median(ours), median(others)
    return Figure("settling", name, mine, "/s", mine / theirs, theirs, against, goal)


def _tasks_per_second(site: Site, count: int, publish: Callable[[int], None]) -> float:
    with site.worker.held():
        publish(count)
        began = perf_counter()
    wait_until(lambda: site.waiting() == 0)
    return count / (perf_counter() - began)


def _publish_noops(count: int) -> None:
    for _ in range(count):
        noop.apply_async()


def _publish_slow(count: int) -> None:
    for index in range(count):
        load_one.apply_async(args=(f"slow_TASK-{index}",))


def _settled_per_second(site: Site, count: int, series: str, prefix: str) -> float:
    ledgers.empty()
    with site.worker.held():
        ledgers.fill(things.numbers(count, series), prefix)
        doorbell.clear()
        doorbell.ring()
        began = perf_counter()
    wait_until(ledgers.settled)
    spent = perf_counter() - began
    wait_until(lambda: site.waiting() == 0)
    return count / spent
