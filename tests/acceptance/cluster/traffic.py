"""People who pay, and people who read what was paid, all the while that something is done."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import urllib3

from tests.acceptance.cluster.nodes import Node
from tests.acceptance.cluster.system import System
from tools.report.answers import How, ReadAnswer

_READERS = 3
_PAUSE_SECONDS = 0.05
_MORE_READS = 30
_MORE_PAYMENTS = 3


class Traffic:
    """A context manager: traffic from its beginning to its end."""

    def __init__(self, system: System, webs: Sequence[Node]) -> None:
        self.paid: list[str] = []
        self.reads = 0
        self.hits = 0
        self.errors: list[str] = []
        #: Connections that were taken, and ended without an answer.
        self.cut_off: list[str] = []
        #: Readings that were older than one that had ended before they began.
        self.went_back: list[str] = []
        self._system = system
        self._webs = webs
        self._newest: dict[str, int] = {}
        self._stop = threading.Event()
        self._more = threading.Condition()
        threads = [self._shop, *[self._read_on] * _READERS]
        self._threads = [threading.Thread(target=thread) for thread in threads]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self) -> None:
        """Return once more was paid and read; fail if it takes too long."""
        with self._more:
            reads, payments = self.reads + _MORE_READS, len(self.paid) + _MORE_PAYMENTS
            assert self._more.wait_for(
                lambda: self.reads >= reads and len(self.paid) >= payments, timeout=30
            ), (self.reads, len(self.paid), self.errors)

    def _shop(self) -> None:
        number = 0
        while not self._stop.wait(_PAUSE_SECONDS * 2):
            number += 1
            name = f"EDX-ROLLING-{number}"
            try:
                self._system.pay(name)
            except Exception as error:  # noqa: BLE001  # told to the test
                self._note(f"{name} was not paid: {error!r}")
                continue
            with self._more:
                self.paid.append(name)
                self._more.notify_all()

    def _read_on(self) -> None:
        chosen = random.Random(threading.get_ident())
        while not self._stop.wait(_PAUSE_SECONDS):
            if self.paid:
                self._read(chosen.choice(self.paid), chosen.sample(self._webs, len(self._webs)))

    def _read(self, number: str, webs: Sequence[Node]) -> None:
        """Read one payment, as behind a proxy: if one gives no answer, the next is asked."""
        known = self._newest.get(number, 0)
        for web in webs:
            try:
                answer = self._system.read(number, web=web)
            except urllib3.exceptions.NewConnectionError:
                continue
            except urllib3.exceptions.HTTPError as error:
                self.cut_off.append(f"{number}: {error!r}")
                continue
            self._judge(number, known, answer)
            return
        self._note(f"{number}: nobody answers")

    def _judge(self, number: str, known: int, answer: ReadAnswer) -> None:
        with self._more:
            if answer.how.is_read and answer.revision is not None:
                self.reads += 1
                self.hits += answer.how is How.HIT
                if answer.revision < known:
                    self.went_back.append(f"{number}: {answer.revision} after {known}")
                self._newest[number] = max(self._newest.get(number, 0), answer.revision)
            elif answer.how is not How.UNKNOWN or known:
                # Unknown at first is fair: its webhook may be on the way. Later it is a loss.
                self.errors.append(f"{number}: {answer}")
            self._more.notify_all()

    def _note(self, error: str) -> None:
        with self._more:
            self.errors.append(error)
