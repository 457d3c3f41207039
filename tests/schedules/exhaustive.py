"""Visits every schedule that can make a difference, and none twice.

Two schedules that differ only in the order of neighbouring steps that don't conflict are one: what
anybody sees is the same. The algorithm is source-set dynamic partial order reduction with sleep
sets (Abdulla, Aronis, Jonsson, Sagonas: "Optimal Dynamic Partial Order Reduction", POPL 2014):
after each schedule, every pair of conflicting steps that could have come the other way round gets a
schedule in which it does. Nothing is stored but the current schedule; each one runs from the start.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.schedules.scenario import Plan, Scenario
from tests.schedules.scheduler import Actor, Scheduler
from tests.schedules.steps import Lock, Step
from tests.schedules.world import Played, World

#: How often a beginning that is drawn at random switches.
_SWITCHES = 0.2

#: One number for each actor: how many of its steps came before.
Clock = list[int]


@dataclass(slots=True)
class _Place:
    """Where a choice was made: who could go on, with which step, and who was tried already."""

    able: dict[int, Step]
    chosen: int
    to_try: set[int]
    asleep: dict[int, Step]


@dataclass(slots=True)
class _Event:
    actor: int
    step: Step
    #: What happened before it, by whatever it rests on; its own actor's count includes itself.
    clock: Clock


@dataclass
class Explorer:
    """Explores one scenario under one plan. `visited` counts, `finished` says that it is all."""

    world: World
    scenario: Scenario
    plan: Plan
    seed: int = 0
    #: Decides where to begin; without it, with the schedule that has the fewest switches.
    rng: random.Random | None = None
    visited: int = 0
    cut_short: int = 0
    finished: bool = False
    _places: list[_Place] = field(default_factory=list)
    _events: list[_Event] = field(default_factory=list)
    _clocks: dict[int, Clock] = field(default_factory=dict)

    def explore(self) -> Iterator[Played]:
        """Yield the schedules, each judged, until there are no more."""
        while True:
            played = self._play()
            if played.complete:
                self.visited += 1
                yield played
            else:
                # Everybody who could go on slept: another schedule has shown this one already.
                self.cut_short += 1
            if not self._go_back():
                self.finished = True
                return

    def _play(self) -> Played:
        known = max(0, len(self._places) - 1)
        del self._events[known:]
        self._clocks = {event.actor: event.clock for event in self._events}
        depth = 0

        def choose(able: Sequence[Actor]) -> Actor | None:
            nonlocal depth
            scheduler = self.world.scheduler
            if depth >= len(self._places):
                place = self._new_place(scheduler, able)
                if place is None:
                    return None
                self._places.append(place)
            chosen = scheduler.actors[self._places[depth].chosen]
            if depth >= known:
                # Up to there it is the schedule before this one, whose order is known.
                self._happens(chosen.index, _next_step(scheduler, chosen))
            depth += 1
            return chosen

        played = self.world.play(self.scenario, choose, self.plan, seed=self.seed)
        if played.complete:
            for actor in self.world.scheduler.actors:
                if actor.unreached is not None:
                    self._precedes(actor.index, actor.unreached)
        return played

    # -- one place after another -------------------------------------------------------------------

    def _new_place(self, scheduler: Scheduler, able: Sequence[Actor]) -> _Place | None:
        steps = {actor.index: _next_step(scheduler, actor) for actor in able}
        asleep = self._still_asleep()
        awake = [index for index in steps if index not in asleep]
        if not awake:
            return None
        # Whoever ran last goes on as long as it can: the first schedule has the fewest switches.
        last = self._places[-1].chosen if self._places else -1
        chosen = last if last in awake else awake[0]
        if self.rng is not None and self.rng.random() < _SWITCHES:
            chosen = self.rng.choice(awake)
        return _Place(steps, chosen, {chosen}, asleep)

    def _still_asleep(self) -> dict[int, Step]:
        if not self._places:
            return {}
        before = self._places[-1]
        took = before.able[before.chosen]
        return {
            index: step
            for index, step in before.asleep.items()
            if index != before.chosen and not step.conflicts_with(took)
        }

    def _go_back(self) -> bool:
        """Turn to the last choice that has another way to go; return False if there is none."""
        while self._places:
            place = self._places[-1]
            place.asleep[place.chosen] = place.able[place.chosen]
            left = [index for index in sorted(place.to_try) if index not in place.asleep]
            if left:
                place.chosen = left[0]
                return True
            self._places.pop()
        return False

    # -- who came before whom ----------------------------------------------------------------------

    def _happens(self, actor: int, step: Step) -> None:
        clock = self._precedes(actor, step)
        clock[actor] += 1
        self._clocks[actor] = clock
        self._events.append(_Event(actor, step, clock))

    def _precedes(self, actor: int, step: Step) -> Clock:
        """Return what comes before `step`; have what could have come after it tried that way."""
        clock = self._clocks.get(actor)
        clock = [0] * len(self.world.scheduler.actors) if clock is None else clock.copy()
        if step.local or (step.awaits and not step.writes):
            return clock
        if step.wants_lock:
            self._race_for_the_lock(actor, clock)
        for index in range(len(self._events) - 1, -1, -1):
            event = self._events[index]
            other = event.actor
            if event.step.local and event.step.lock is Lock.NONE:
                continue
            if clock[other] >= event.clock[other]:
                continue
            if step.wants_lock and event.step.lock is not Lock.NONE:
                # It waited for this one, who had the lock.
                pass
            elif step.touches_what(event.step):
                self._try_the_other_way(index, actor, clock)
            else:
                continue
            for number, count in enumerate(event.clock):
                if count > clock[number]:
                    clock[number] = count
        return clock

    def _race_for_the_lock(self, actor: int, clock: Clock) -> None:
        for index in range(len(self._events) - 1, -1, -1):
            event = self._events[index]
            if event.step.wants_lock:
                if clock[event.actor] < event.clock[event.actor]:
                    self._try_the_other_way(index, actor, clock)
                return

    def _try_the_other_way(self, index: int, actor: int, clock: Clock) -> None:
        """Have a schedule in which the actor's next step comes before the event at `index`."""
        first = self._events[index]
        place = self._places[index]
        initials = self._initials(first, index, actor, clock)
        if initials & place.to_try:
            return
        able = [one for one in initials if one in place.able]
        if actor in able:
            place.to_try.add(actor)
        elif able:
            place.to_try.add(min(able))
        else:
            place.to_try |= place.able.keys()

    def _initials(self, first: _Event, index: int, actor: int, clock: Clock) -> set[int]:
        """Return who could go first in what does not rest on `first`, up to the racing step."""
        position = first.clock[first.actor]
        independent = [
            event for event in self._events[index + 1 :] if event.clock[first.actor] < position
        ]
        initials: set[int] = set()
        begun: set[int] = set()
        for number, event in enumerate(independent):
            if event.actor in begun:
                continue
            begun.add(event.actor)
            if not any(
                event.clock[earlier.actor] >= earlier.clock[earlier.actor]
                for earlier in independent[:number]
            ):
                initials.add(event.actor)
        if actor not in begun and not any(
            clock[earlier.actor] >= earlier.clock[earlier.actor] for earlier in independent
        ):
            initials.add(actor)
        return initials


def _next_step(scheduler: Scheduler, actor: Actor) -> Step:
    """Return what choosing `actor` would do."""
    assert actor.pending is not None
    if actor.crash_at != actor.steps:
        return actor.pending
    # Its death frees what it holds; everything else of it just never happens.
    return Step("crash", lock=Lock.GIVE if scheduler.lock_holder is actor else Lock.NONE)
