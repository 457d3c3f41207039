"""The broker: a bag of messages that wake a worker, any of which may be lost or doubled."""

from dataclasses import dataclass, field
from typing import Any

from kombu.exceptions import OperationalError

from coordinator.celery import hints
from tests.schedules.scheduler import Process, Scheduler
from tests.schedules.steps import NOTHING, Step
from tests.schedules.timing import VirtualClock

SENT, TAKEN = frozenset({"message sent"}), frozenset({"message taken"})


@dataclass
class Broker:
    """Keeps messages, each as the time from which on it may be delivered."""

    scheduler: Scheduler
    clock: VirtualClock
    down: bool = False
    messages: list[float] = field(default_factory=list)
    everywhere: frozenset[str] = NOTHING

    def send(self, *, countdown: float | None = None, **_: object) -> None:
        """Take a message: what publishing does under the scheduler."""
        self.scheduler.step(Step("broker.send", "settle", self.everywhere, SENT))
        if self.down:
            self.scheduler.note("refused")
            raise OperationalError("the broker is down")
        self.messages.append(self.clock.time + (countdown or 0.0))
        self.scheduler.note("" if countdown is None else f"in {countdown:.2f} s")

    def receive(self) -> None:
        """Return when a message was there to take."""
        self.scheduler.block(
            # Who sends wakes it; only those who take messages compete.
            Step("broker.receive", "settle", self.everywhere, TAKEN, awaits=True),
            lambda: any(due <= self.clock.time for due in self.messages),
            lambda: min(self.messages, default=None),
        )
        self.messages.remove(min(self.messages))

    def lose(self) -> None:
        """Lose a message, if there is one."""
        self.scheduler.step(Step("broker.loses", "a message", self.everywhere | SENT, TAKEN))
        self.scheduler.note(bool(self.messages))
        del self.messages[:1]

    def double(self) -> None:
        """Deliver a message twice, if there is one."""
        self.scheduler.step(Step("broker.doubles", "a message", self.everywhere | SENT, TAKEN))
        self.scheduler.note(bool(self.messages))
        self.messages += self.messages[:1]


@dataclass(frozen=True)
class Publisher:
    """Stands for the one of `process` in ``hints``: as quiet after a failure, and without turns.

    A thread that gets no turn loses its hint, as if the broker refused it.
    """

    broker: Broker
    clock: VirtualClock
    process: Process

    def quiet(self) -> bool:
        """Return True if a failure is recent."""
        return self.clock.time < self.process.quiet_until

    def send(self, _: str, options: dict[str, Any]) -> bool:
        """Send a message; return False if it was refused."""
        try:
            self.broker.send(**options)
        except OperationalError:
            self.process.quiet_until = self.clock.time + hints._QUIET_SECONDS
            return False
        return True
