"""Keeps cache entries warm by events, and never older than the last committed change.

These names are the public API; everything else may change in any release. They are imported when
they are first used, so ``import coordinator`` needs no Django settings.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coordinator.core.read import Busy, Lookup, Outcome, read, read_many
    from coordinator.core.resource import Loaded, Resource, Standing, register
    from coordinator.errors import CoordinatorError
    from coordinator.ledger.event import Event, Recorded, Recording
    from coordinator.ledger.models import Ledgered, Touch
    from coordinator.ledger.recording import record_change, record_changes
    from coordinator.ledger.signals import (
        ChangeEnded,
        changes_ended,
        changes_recorded,
        state_changed,
    )
    from coordinator.ledger.states import State, StateTable

__version__ = "0.1.0"

__all__ = [
    "Busy",
    "ChangeEnded",
    "CoordinatorError",
    "Event",
    "Ledgered",
    "Loaded",
    "Lookup",
    "Outcome",
    "Recorded",
    "Recording",
    "Resource",
    "Standing",
    "State",
    "StateTable",
    "Touch",
    "changes_ended",
    "changes_recorded",
    "read",
    "read_many",
    "record_change",
    "record_changes",
    "register",
    "state_changed",
]

_MODULES = {
    "core.read": ("Busy", "Lookup", "Outcome", "read", "read_many"),
    "core.resource": ("Loaded", "Resource", "Standing", "register"),
    "errors": ("CoordinatorError",),
    "ledger.event": ("Event", "Recorded", "Recording"),
    "ledger.models": ("Ledgered", "Touch"),
    "ledger.recording": ("record_change", "record_changes"),
    "ledger.signals": ("ChangeEnded", "changes_ended", "changes_recorded", "state_changed"),
    "ledger.states": ("State", "StateTable"),
}
_MODULE_OF = {name: f"coordinator.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import one of the names above."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'coordinator' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
