"""What goes wrong on purpose: one frozen set of numbers, which may be replaced while running.

Every field is an option of the command line (`latency_ms` is `--latency-ms`) and a key of
/_simulator/config. Faults meet only requests with the service's key; see clients.py.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from tools.simulator.errors import SimulatorError
from tools.simulator.store import MAX_LAG_SECONDS

_Milliseconds = Annotated[float, Meta(ge=0, le=24 * 3600 * 1000)]
_Seconds = Annotated[float, Meta(ge=0, le=24 * 3600)]
_Probability = Annotated[float, Meta(ge=0, le=1)]


class Faults(Struct, frozen=True, forbid_unknown_fields=True):
    """How slow, unreliable and untimely the provider is. The defaults are an ordinary day."""

    latency_ms: Annotated[_Milliseconds, Meta(description="how long every answer takes")] = 80
    jitter_ms: Annotated[
        _Milliseconds, Meta(description="up to how much longer it takes, at random")
    ] = 0
    error_rate: Annotated[
        _Probability, Meta(description="share of requests answered with 500, 502 or 503, undone")
    ] = 0
    drop_rate: Annotated[
        _Probability,
        Meta(description="share of requests that are done, and their answer lost on the way"),
    ] = 0
    rate_limit_rps: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="requests within any one second, more get 429; 0 for no limit",
        ),
    ] = 0
    stall_seconds: Annotated[
        _Seconds, Meta(description="how long every request hangs before it is looked at")
    ] = 0
    lag_seconds: Annotated[
        float,
        Meta(ge=0, le=MAX_LAG_SECONDS, description="how far reads lag behind the events"),
    ] = 0
    follow_up_ms: Annotated[
        _Milliseconds,
        Meta(description="how long until the bank moves by itself; 0 for only by /advance"),
    ] = 1000
    webhook_delay_ms: Annotated[_Milliseconds, Meta(description="how late a webhook is sent")] = 50
    webhook_jitter_ms: Annotated[
        _Milliseconds, Meta(description="up to how much later it is sent, at random")
    ] = 0
    duplicate_rate: Annotated[
        _Probability, Meta(description="share of webhooks that are sent twice")
    ] = 0
    reorder_rate: Annotated[
        _Probability, Meta(description="share of webhooks held back, so that later ones overtake")
    ] = 0
    reorder_ms: Annotated[
        _Milliseconds, Meta(description="up to how long those are held back, at random")
    ] = 1500
    lose_rate: Annotated[
        _Probability, Meta(description="share of webhooks that are never sent")
    ] = 0


class InvalidFaults(SimulatorError):
    """The simulator's configuration cannot be so."""


class FaultOption(Struct, frozen=True):
    """One fault as an option: its field, its default and what it means."""

    field: str
    type: type[int] | type[float]
    default: float
    description: str


def change_faults(faults: Faults, changes: Mapping[str, Any]) -> Faults:
    """Return `faults` with some fields changed; raise InvalidFaults for a wrong name or value."""
    try:
        return msgspec.convert({**msgspec.structs.asdict(faults), **changes}, Faults)
    except msgspec.ValidationError as error:
        raise InvalidFaults(str(error), permanent=True) from None


def fault_options() -> Iterator[FaultOption]:
    """Go through the fields as options of a command line."""
    hints = get_type_hints(Faults, include_extras=True)
    for field in msgspec.structs.fields(Faults):
        plain, *metas = get_args(hints[field.name])
        description = next(meta.description for meta in metas if meta.description)
        yield FaultOption(field.name, plain, field.default, description)
