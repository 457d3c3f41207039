"""What members of staff can do on the status page: each says first what it will do.

An action needs its own permission and a reason. It is written down before it is done (a row that
stays) and logged with who and why.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from coordinator.celery import doorbell, host
from coordinator.core import conf, keys, resource
from coordinator.core.resource import Resource
from coordinator.core.warm import warm
from coordinator.errors import CoordinatorError
from coordinator.ledger import queue
from coordinator.operations.models import Intervention
from coordinator.operations.status import ledger, thing
from coordinator.warmer import switching
from coordinator.warmer.verify import verify_one

logger = logging.getLogger(__name__)

#: How long a switch may stay thrown, in minutes, before its setting holds again.
MINUTES: Final[Sequence[tuple[str, str]]] = (
    ("15", "15 minutes"),
    ("60", "1 hour"),
    ("480", "8 hours"),
    ("", "until it is thrown back"),
)


class BadRequest(CoordinatorError):
    """This action can't be done like this."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would do: to what, in a sentence, and the page to return to."""

    target: str
    says: str
    back: str
    possible: bool = True
    has_end: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants it done, why, and the parameters."""

    by: str
    reason: str
    data: QueryDict


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, in a sentence; and what upstream said, where that was the question."""

    says: str
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done. `fields` are the parameters that it takes."""

    name: str
    title: str
    permission: str
    fields: Sequence[str]
    plan: Callable[[QueryDict], Plan]
    perform: Callable[[Request], Done]


def do(action: Action, request: Request) -> Done:
    """Do it, write down who did it and why, and return what came of it.

    Raise BadRequest if its parameters make no sense; any other error that it met is in the answer.
    """
    plan = action.plan(request.data)
    written = Intervention.objects.create(
        by=request.by, action=action.name, target=plan.target[:200], reason=request.reason
    )
    logger.warning(
        "staff.acted",
        extra={
            "action": action.name,
            "target": plan.target,
            "by": request.by,
            "reason": request.reason,
        },
    )
    try:
        done = action.perform(request)
    except CoordinatorError as error:
        done = Done(f"It failed: {error.explained}.")
    written.result = done.says[:300]
    written.save(update_fields=["result"])
    return done


# -- switches ----------------------------------------------------------------------------------

_SWITCHING: Final[Mapping[tuple[str, str], str]] = {
    ("warming", "paused"): "Pauses warming in every process within a second or so. Changes are "
    "recorded and wait in the log; readers load cold what has changed.",
    ("warming", "on"): "Lets warming go on. The changes that waited are settled first.",
    ("reads", "bypass"): "Lets every read ask ledger and upstream and store nothing. Readers wait "
    "for upstream each time, and its budget is used by each read.",
    ("reads", "cache"): "Lets reads use the cache again.",
}


def _plan_switch(data: QueryDict) -> Plan:
    name, position = data.get("switch", ""), data.get("position", "")
    says = _SWITCHING.get((name, position))
    if says is None:
        raise BadRequest("there is no such switch or position")
    unusual = position in {"paused", "bypass"}
    return Plan(f"{name}: {position}", says, reverse("status-now"), has_end=unusual)


def _throw_switch(request: Request) -> Done:
    name, position = request.data.get("switch", ""), request.data.get("position", "")
    chosen = request.data.get("minutes", "")
    if chosen not in dict(MINUTES):
        raise BadRequest("there is no such end time")
    usual = not _plan_switch(request.data).has_end
    until = None if usual or not chosen else timezone.now() + timedelta(minutes=int(chosen))
    told = switching.throw(name, position, until=until, by=request.by, reason=request.reason)
    ends = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
    if name == "warming" and position == "on":
        doorbell.ring()
    if not told:
        return Done(f"Recorded{ends}; the cache does not answer, so the next beat carries it.")
    return Done(f"{name} is {position}{ends}.")


# -- one thing ---------------------------------------------------------------------------------


def _thing(data: QueryDict) -> tuple[Resource, str]:
    of = thing.resource_of(data.get("resource", ""))
    identifier = data.get("identifier", "")
    if of is None or not keys.is_identifier(identifier):
        raise BadRequest("there is no such thing")
    return of, identifier


def _plan_of_thing(says: str) -> Callable[[QueryDict], Plan]:
    def plan(data: QueryDict) -> Plan:
        of, identifier = _thing(data)
        back = reverse("status-thing", args=[of.name, identifier])
        return Plan(f"{of.name}.{identifier}", says, back)

    return plan


def _warm(request: Request) -> Done:
    of, identifier = _thing(request.data)
    warmed = warm(of, identifier, cause="read")
    if warmed.error is not None:
        raise warmed.error
    return Done(f"{of.name}.{identifier}: {warmed.outcome.value}.")


def _settle(request: Request) -> Done:
    of, identifier = _thing(request.data)
    count = queue.make_due(of.name, identifier)
    doorbell.ring()
    return Done(f"{count} waiting changes of {of.name}.{identifier} are due now; a worker is rung.")


def _verify(request: Request) -> Done:
    of, identifier = _thing(request.data)
    found = verify_one(of.name, identifier, conf.seconds("VERIFY_GRACE"))
    differing = f": {', '.join(found.differing)}" if found.differing else ""
    repaired = ", repaired" if found.repaired else ""
    return Done(f"{of.name}.{identifier}: {found.result}{differing}{repaired}.")


def _ask(request: Request) -> Done:
    of, identifier = _thing(request.data)
    payload = thing.upstream_payload(of, identifier)
    try:
        shown = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        shown = repr(payload)
    return Done(f"Upstream answered with {len(payload)} bytes.", shown)


# -- many --------------------------------------------------------------------------------------


def _chosen(data: QueryDict) -> Sequence[int]:
    """Return the ids of the abandoned changes that were chosen."""
    ids = [int(one) for one in data.getlist("id") if one.isdigit()]
    if not ids and "because" not in data and data.get("all") != "yes":
        raise BadRequest("nothing is chosen")
    because = data.get("because") if not ids else None
    return list(ledger.abandoned(because, ids).values_list("pk", flat=True))


def _plan_retry(data: QueryDict) -> Plan:
    try:
        count = len(_chosen(data))
    except BadRequest:
        says = "No change is chosen: choose some, or all with one reason."
        return Plan("nothing", says, reverse("status-abandoned"), possible=False)
    because = f" with the reason “{data['because']}”" if "because" in data else ""
    return Plan(
        f"{count} abandoned changes{because}",
        f"Puts {count} abandoned {'change' if count == 1 else 'changes'}{because} back into the "
        "queue, due now, with all their attempts before them. Each is loaded at most once, within "
        "the share of the budget that events have. Those that fail again are abandoned again.",
        reverse("status-abandoned"),
        possible=count > 0,
    )


def _retry(request: Request) -> Done:
    count = queue.retry_all(_chosen(request.data))
    doorbell.ring()
    return Done(f"{count} put back into the queue.")


def _plan_verify_sample(_: QueryDict) -> Plan:
    sample = int(conf.number("VERIFY_SAMPLE"))
    names = ", ".join(of.name for of in resource.registered())
    return Plan(
        f"a sample of {names}",
        f"Has a worker compare {sample} things of each resource ({names}) with upstream, which "
        f"costs a request each, within the budget of beats. What differs is kept and repaired.",
        reverse("status-findings"),
    )


def _verify_sample(_: Request) -> Done:
    host.task("verify_now").apply_async(retry=False)
    return Done("A worker verifies a sample now; what differs appears here.")


# -- all of them -------------------------------------------------------------------------------

_OF_THING: Final = ("resource", "identifier")

ACTIONS: Final[Mapping[str, Action]] = {
    action.name: action
    for action in (
        Action(
            "switch",
            "Throw a switch",
            "throw_switch",
            ("switch", "position"),
            _plan_switch,
            _throw_switch,
        ),
        Action(
            "warm",
            "Warm now",
            "warm_thing",
            _OF_THING,
            _plan_of_thing(
                "Loads it from upstream if no usable entry is in the cache, as for a reader who "
                "waits. An entry that is as new as the ledger is left alone."
            ),
            _warm,
        ),
        Action(
            "settle",
            "Settle now",
            "warm_thing",
            _OF_THING,
            _plan_of_thing(
                "Lets its unsettled changes be due now, not after their pause, and rings for a "
                "worker. Abandoned ones stay abandoned."
            ),
            _settle,
        ),
        Action(
            "verify",
            "Verify now",
            "verify_thing",
            _OF_THING,
            _plan_of_thing(
                "Compares entry, ledger and upstream, for one request; repairs what differs and "
                "keeps the evidence. What changed a moment ago is skipped."
            ),
            _verify,
        ),
        Action(
            "ask",
            "Ask upstream",
            "ask_upstream",
            _OF_THING,
            _plan_of_thing(
                "Asks upstream for it once and shows the answer here. Nothing is stored, neither "
                "in the cache nor in the log."
            ),
            _ask,
        ),
        Action(
            "retry",
            "Try again",
            "retry_changes",
            ("id", "because", "all"),
            _plan_retry,
            _retry,
        ),
        Action(
            "verify-sample",
            "Verify a sample now",
            "verify_thing",
            (),
            _plan_verify_sample,
            _verify_sample,
        ),
    )
}
