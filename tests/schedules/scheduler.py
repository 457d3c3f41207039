"""The scheduler: runs actors one step at a time, in an order that somebody else chooses.

An actor is a greenlet. It stops before each step and goes on when it is chosen; between two steps
nothing of anybody else happens. One that waits (for the ledger's lock, a message, a change) can't
be chosen until it may go on. When nobody can, time passes for whoever waits for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from greenlet import greenlet

from coordinator.core.keys import Names
from tests.schedules.steps import Lock, Step
from tests.schedules.timing import VirtualClock

#: Picks one of those who can go on; None ends the schedule where it stands.
Choose = Callable[[Sequence["Actor"]], "Actor | None"]

MOST_STEPS = 3_000


class Killed(BaseException):  # nothing of the project may catch it as an Exception
    """Thrown into an actor whose process dies."""


class TooManySteps(AssertionError):
    """A schedule does not come to an end."""


class Process:
    """What the threads of one process share, kept while another process's actor runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.flights: dict[str, object] = {}
        self.names: dict[tuple[str, str, int], Names] = {}
        #: When it asks the broker again that has just refused a message.
        self.quiet_until = 0.0
        #: Cut off from the cache: it does not answer this process.
        self.cut_off = False


class Actor:
    """One thread of execution: a request, a task, a fault."""

    def __init__(self, name: str, body: Callable[[], None], process: Process) -> None:
        self.index = -1
        self.name = name
        self.process = process
        self.greenlet = greenlet(body)
        #: The request tier is a thread's own.
        self.tier: dict[str, dict[str, object]] = {}
        self.pending: Step | None = None
        self.ready: Callable[[], bool] | None = None
        #: When it would go on although nothing happened, if ever.
        self.wakes: Callable[[], float | None] | None = None
        #: What it waited for when everything was over.
        self.unreached: Step | None = None
        self.steps = 0
        self.dead = False
        #: Runs outside the schedule: its steps happen at once.
        self.free = False
        #: Dies instead of its step of this number.
        self.crash_at: int | None = None
        #: What the cache does to its cache steps, by their number.
        self.faults: dict[int, str] = {}
        self.cache_steps = 0
        self.cache_failures = 0
        self.failures_at_commit = 0
        #: The revisions of the containers as its last transaction has left them.
        self.containers_at_commit: dict[str, int] = {}
        self.read_at: dict[str, int] = {}

    def __repr__(self) -> str:
        return self.name


@dataclass
class Happened:
    """One line of the story."""

    actor: str
    what: str
    result: str = ""


@dataclass
class Scheduler:
    """One schedule under way.

    `enter` and `leave` put an actor's own world (its connection, its request tier, its process's
    memory) in place and take it away again; `bury` ends what a dead one had open.
    """

    clock: VirtualClock
    enter: Callable[[Actor], None]
    leave: Callable[[Actor], None]
    bury: Callable[[Actor], None]
    tell: bool = False
    actors: list[Actor] = field(default_factory=list)
    choices: list[int] = field(default_factory=list)
    story: list[Happened] = field(default_factory=list)
    current: Actor | None = None
    lock_holder: Actor | None = None
    crashes: int = 0
    changed_at: dict[str, int] = field(default_factory=dict)
    _moment: int = 0
    _hub: greenlet | None = None

    # -- for what happens inside an actor ----------------------------------------------------------

    def step(self, step: Step) -> None:
        """Stop the current actor here until it is chosen to take `step`."""
        actor = self.current
        assert actor is not None
        if actor.dead:
            # A dead process runs no `finally`: whatever its clean-up tries comes to nothing.
            raise Killed
        if not actor.free:
            actor.pending = step
            assert self._hub is not None
            self._hub.switch()
            if actor.dead:
                raise Killed
            actor.pending = None
        self._moment += 1
        for thing in step.reads:
            actor.read_at[thing] = self._moment
        for thing in step.writes:
            actor.read_at[thing] = self._moment
        if step.lock is Lock.TAKE:
            self.lock_holder = actor
        elif step.lock is Lock.GIVE:
            self.lock_holder = None
        if self.tell:
            self.story.append(Happened(actor.name, str(step)))

    def note(self, result: object) -> None:
        """Add to the story what the last step came to."""
        if self.tell and self.story:
            self.story[-1].result = str(result)

    def changed(self, *things: str) -> None:
        """Say that these are not what they were: whoever waits for one of them may look again."""
        for thing in things:
            self.changed_at[thing] = self._moment

    def wait(self, seconds: float, until: Callable[[], bool] | None) -> None:
        """Let others run until `until` holds, or something that this actor has read changes.

        Looking again at what did not change would find the same: it is not worth a schedule. When
        nobody can do anything else, the seconds pass.
        """
        actor = self.current
        assert actor is not None
        deadline = self.clock.time + seconds
        if actor.free:
            self.clock.time = self._late(deadline)
            return
        actor.ready = until or self._news_for(actor)
        actor.wakes = lambda: deadline
        try:
            self.step(Step("wait", reads=frozenset(actor.read_at), awaits=True))
        finally:
            actor.ready = actor.wakes = None
            # The next wait is for news of what it looks at from now on.
            actor.read_at.clear()

    def block(
        self,
        step: Step,
        until: Callable[[], bool],
        wakes: Callable[[], float | None] | None = None,
    ) -> None:
        """Take `step` once `until` holds, however long that takes.

        `wakes` says when it may hold because time has passed.
        """
        actor = self.current
        assert actor is not None
        actor.ready, actor.wakes = until, wakes
        try:
            self.step(step)
        finally:
            actor.ready = actor.wakes = None

    def _news_for(self, actor: Actor) -> Callable[[], bool]:
        read_at, changed_at = dict(actor.read_at), self.changed_at

        def news() -> bool:
            return any(changed_at.get(thing, 0) > moment for thing, moment in read_at.items())

        return news

    # -- for whoever explores ----------------------------------------------------------------------

    def add(self, actor: Actor) -> Actor:
        """Let `actor` take part."""
        actor.index = len(self.actors)
        self.actors.append(actor)
        return actor

    def run(self, choose: Choose) -> bool:
        """Run the actors until nobody can go on; return False if `choose` ended it before."""
        self._hub = greenlet.getcurrent()
        for actor in self.actors:
            self._resume(actor)
        alive = self.actors
        while True:
            alive = [actor for actor in alive if actor.pending is not None]
            able = [actor for actor in alive if self._able(actor)]
            if not able:
                sleeper = self._let_time_pass(alive)
                if sleeper is None:
                    for actor in alive:
                        actor.unreached = actor.pending
                    break
                able = [sleeper]
            chosen = choose(able)
            if chosen is None:
                self.stop()
                return False
            self.choices.append(chosen.index)
            if len(self.choices) > MOST_STEPS:
                self.stop()
                raise TooManySteps
            if chosen.crash_at == chosen.steps:
                self.crash(chosen)
                continue
            chosen.steps += 1
            self._resume(chosen)
        self.stop()
        return True

    def stop(self) -> None:
        """End whoever is still there."""
        for actor in self.actors:
            if actor.pending is not None:
                self._kill(actor)

    def crash(self, actor: Actor) -> None:
        """End the process of `actor`, with all its threads, before its next step."""
        self.crashes += 1
        if self.tell:
            self.story.append(Happened(actor.name, f"CRASHES before {actor.pending}"))
        for other in self.actors:
            if other.process is actor.process and other.pending is not None:
                self._kill(other)

    def _able(self, actor: Actor) -> bool:
        step = actor.pending
        assert step is not None
        if step.wants_lock and self.lock_holder is not None:
            return False
        return actor.ready is None or actor.ready()

    def _let_time_pass(self, alive: Sequence[Actor]) -> Actor | None:
        sleeping = [
            (at, actor.index, actor)
            for actor in alive
            if actor.wakes is not None and (at := actor.wakes()) is not None
        ]
        if not sleeping:
            return None
        wake_at, _, sleeper = min(sleeping, key=lambda one: one[:2])
        self.clock.time = self._late(wake_at)
        if self.tell:
            self.story.append(Happened("time", f"passes, to {self.clock.told}"))
        return sleeper

    def _late(self, wake_at: float) -> float:
        # A sleep may take longer than was asked for; this one does, so that polling for what can't
        # come ends after a few looks instead of hundreds.
        return max(wake_at, self.clock.time + 4.0)

    def _resume(self, actor: Actor) -> None:
        actor.pending = None
        self.current = actor
        self.enter(actor)
        try:
            actor.greenlet.switch()
        finally:
            self.leave(actor)
            self.current = None

    def _kill(self, actor: Actor) -> None:
        self.bury(actor)
        if self.lock_holder is actor:
            self.lock_holder = None
        actor.dead = True
        actor.pending = None
        self.current = actor
        self.enter(actor)
        try:
            actor.greenlet.throw(Killed)
        except Killed:
            pass
        finally:
            self.leave(actor)
            self.current = None
