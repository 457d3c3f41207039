"""What surrounds every task of a real worker: nothing remembered, and the id of whoever asked."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging, task_postrun
from edx_django_utils.cache import DEFAULT_REQUEST_CACHE

from coordinator import correlation
from coordinator.core import cache
from tests.support.brokers import broker
from workers.app import app

PATIENCE_SECONDS = 20.0

Body = Callable[[], object]


class Bodies:
    """Runs what a test wants to happen inside a task, one task after the other."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._bodies: list[Body] = []
        self._done = threading.Semaphore(0)

        @app.task(name=f"tests.{queue}")
        def run() -> None:
            self._run()

        self._task = run

    def _run(self) -> None:
        try:
            self._bodies.pop(0)()
        finally:
            self._done.release()

    def send(self, body: Body) -> None:
        """Let `body` run in a task, sometime."""
        self._bodies.append(body)
        self._task.apply_async(queue=self._queue)

    def run(self, *bodies: Body) -> None:
        """Let each of `bodies` run in a task of its own, and return when they have."""
        for body in bodies:
            self.send(body)
        for _ in bodies:
            assert self._done.acquire(timeout=PATIENCE_SECONDS), "the worker does not work"

    def forget(self) -> None:
        """Let the app forget the task."""
        app.tasks.pop(self._task.name)


@pytest.fixture(scope="module")
def tasks() -> Iterator[Bodies]:
    """Return what runs tasks in a real worker, which has one thread for all of them."""
    queue = f"test_{uuid.uuid4().hex[:12]}"
    with broker("memory://"):
        bodies = Bodies(queue)
        with (
            logging_left_alone(),
            start_worker(app, pool="solo", perform_ping_check=False, queues=[queue]),
        ):
            yield bodies
        bodies.forget()


@contextmanager
def logging_left_alone() -> Iterator[None]:
    """Let Celery set up no logging: it would silence what all later tests of this process log.

    Its worker for tests raises the root logger's level to ERROR, and never lowers it again. A
    receiver of this signal, whatever it does, is what Celery takes for "somebody else does it".
    """

    def done_by_django(**_: object) -> None:
        """Do nothing."""

    setup_logging.connect(done_by_django)
    level = logging.getLogger().level
    try:
        yield
    finally:
        setup_logging.disconnect(done_by_django)
        assert logging.getLogger().level == level


@pytest.fixture
def eager() -> Iterator[None]:
    """Let tasks run where they are sent, as some tests and some deployments do."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def remembered() -> object:
    response = DEFAULT_REQUEST_CACHE.get_cached_response("key")
    return response.value if response.is_found else None


def test_what_one_task_remembers_the_next_one_does_not(tasks: Bodies) -> None:
    seen: list[object] = []
    threads: list[int] = []

    def remember() -> None:
        threads.append(threading.get_ident())
        seen.append(remembered())
        cache.remember("key", b"value")
        seen.append(remembered())

    tasks.run(remember, remember, remember)
    assert seen == [None, b"value"] * 3
    assert len(set(threads)) == 1, "they ran in threads of their own, which proves nothing"


def test_what_a_failing_task_remembers_the_next_one_does_not(tasks: Bodies) -> None:
    seen: list[object] = []

    def fail() -> None:
        cache.remember("key", b"value")
        raise ValueError("on purpose")

    tasks.run(fail, lambda: seen.append(remembered()))
    assert seen == [None]


def test_a_task_carries_the_correlation_id_of_whoever_sent_it(tasks: Bodies) -> None:
    seen: list[str] = []
    with correlation.bind("from-the-request"):
        tasks.run(lambda: seen.append(correlation.current()))
    assert seen == ["from-the-request"]


def test_a_task_that_nobody_in_particular_sent_has_an_id_of_its_own(tasks: Bodies) -> None:
    seen: list[str] = []
    with correlation.bind("before"):
        tasks.run(lambda: seen.append(correlation.current()))
    tasks.run(*[lambda: seen.append(correlation.current())] * 2)
    assert len(set(seen)) == 3
    assert all(seen)


def test_a_task_hands_its_correlation_id_on_to_those_it_sends(tasks: Bodies) -> None:
    seen: list[str] = []
    done = threading.Event()

    def second() -> None:
        seen.append(correlation.current())
        done.set()

    with correlation.bind("from-the-request"):
        tasks.run(lambda: tasks.send(second))
    assert done.wait(PATIENCE_SECONDS)
    assert seen == ["from-the-request"]


def test_after_a_task_no_correlation_id_is_left_in_its_thread(tasks: Bodies) -> None:
    left: list[str] = []
    heard = threading.Semaphore(0)

    def hear(**_: object) -> None:
        left.append(correlation.current())
        heard.release()

    # Connected after ours, so it hears after ours.
    task_postrun.connect(hear)
    try:
        with correlation.bind("from-the-request"):
            tasks.run(lambda: None)
            tasks.run(lambda: None)
        # A task's body has ended before its postrun signal is sent.
        assert all(heard.acquire(timeout=PATIENCE_SECONDS) for _ in range(2))
    finally:
        task_postrun.disconnect(hear)
    assert left == ["", ""]


def test_an_eager_task_leaves_the_memory_and_the_id_of_its_request_alone(eager: None) -> None:
    seen: list[object] = []

    @app.task(name="tests.eager")
    def task() -> None:
        seen.extend([remembered(), correlation.current()])
        cache.remember("other", b"by the task")

    cache.remember("key", b"by the request")
    with correlation.bind("the-request"):
        task.delay()
        assert remembered() == b"by the request"
        assert correlation.current() == "the-request"
    app.tasks.pop("tests.eager")
    assert seen == [b"by the request", "the-request"]
