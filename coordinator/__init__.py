"""Keeps cache entries warm by events, and never older than the last committed change.

These names are the public API; everything else may change in any release. They are imported when
they are first used, so ``import coordinator`` needs no Django settings.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coordinator.core.keys import (
        IDENTIFIER_MAX_LENGTH,
        IDENTIFIER_PATTERN,
        InvalidIdentifier,
        check_identifier,
        is_identifier,
    )
    from coordinator.core.read import Busy, Lookup, Outcome, read, read_many
    from coordinator.core.resource import (
        ListedChange,
        Loaded,
        LoadResult,
        Resource,
        Standing,
        register,
    )
    from coordinator.errors import CoordinatorError
    from coordinator.ledger.event import Event, Recorded, Recording
    from coordinator.ledger.fitting import ChangeRefused
    from coordinator.ledger.models import Change, Ledgered, Touch
    from coordinator.ledger.order import WHOLE, Place, Said
    from coordinator.ledger.recording import (
        IdentifierTaken,
        Observation,
        UnknownIdentifier,
        record_change,
        record_changes,
    )
    from coordinator.ledger.signals import (
        ChangeEnded,
        changes_ended,
        changes_recorded,
        state_changed,
    )
    from coordinator.ledger.states import State, StateTable

__version__ = "0.1.0"

__all__ = [
    "IDENTIFIER_MAX_LENGTH",
    "IDENTIFIER_PATTERN",
    "WHOLE",
    "Busy",
    "Change",
    "ChangeEnded",
    "ChangeRefused",
    "CoordinatorError",
    "Event",
    "IdentifierTaken",
    "InvalidIdentifier",
    "Ledgered",
    "ListedChange",
    "LoadResult",
    "Loaded",
    "Lookup",
    "Observation",
    "Outcome",
    "Place",
    "Recorded",
    "Recording",
    "Resource",
    "Said",
    "Standing",
    "State",
    "StateTable",
    "Touch",
    "UnknownIdentifier",
    "changes_ended",
    "changes_recorded",
    "check_identifier",
    "is_identifier",
    "read",
    "read_many",
    "record_change",
    "record_changes",
    "register",
    "state_changed",
]

_MODULES = {
    "core.keys": (
        "IDENTIFIER_MAX_LENGTH",
        "IDENTIFIER_PATTERN",
        "InvalidIdentifier",
        "check_identifier",
        "is_identifier",
    ),
    "core.read": (
        "Busy",
        "Lookup",
        "Outcome",
        "read",
        "read_many",
    ),
    "core.resource": (
        "ListedChange",
        "LoadResult",
        "Loaded",
        "Resource",
        "Standing",
        "register",
    ),
    "errors": ("CoordinatorError",),
    "ledger.event": (
        "Event",
        "Recorded",
        "Recording",
    ),
    "ledger.fitting": ("ChangeRefused",),
    "ledger.models": (
        "Change",
        "Ledgered",
        "Touch",
    ),
    "ledger.order": (
        "Place",
        "Said",
        "WHOLE",
    ),
    "ledger.recording": (
        "IdentifierTaken",
        "Observation",
        "UnknownIdentifier",
        "record_change",
        "record_changes",
    ),
    "ledger.signals": (
        "ChangeEnded",
        "changes_ended",
        "changes_recorded",
        "state_changed",
    ),
    "ledger.states": (
        "State",
        "StateTable",
    ),
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
