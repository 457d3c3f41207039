"""Lets a web process die at exactly the moment between two steps that is to be tried.

Told by a file of that moment's name in the directory that the environment names: whichever web
process comes there first takes the file away and ends, as if killed by SIGKILL, which it is.
"""

import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from django.db.models.signals import post_save

from coordinator.ledger.signals import state_changed
from coordinator.payments.models import Payment

DIRECTORY: Final = "CHAOS_DIRECTORY"


class Moment(StrEnum):
    """A moment in the recording of a change, which is committed by then."""

    BEFORE_ADVANCE = "before_advance"
    """Its pointer is still suspended."""
    BEFORE_RING = "before_ring"
    """Its pointer is advanced, and no worker has been told."""


def connect() -> None:
    """Connect to the two moments, in web processes that have been given a directory."""
    if DIRECTORY in os.environ and os.environ.get("HONCHO_PROCESS_NAME", "").startswith("web"):
        post_save.connect(_when_written, sender=Payment, dispatch_uid="chaos.advance", weak=False)
        state_changed.connect(_when_told, dispatch_uid="chaos.ring", weak=False)


def _when_written(**_: Any) -> None:
    # Called as soon as the transaction is committed, before its caller goes on.
    transaction.on_commit(lambda: die_if_told(Moment.BEFORE_ADVANCE))


def _when_told(**_: Any) -> None:
    die_if_told(Moment.BEFORE_RING)


def die_if_told(moment: Moment) -> None:
    """End this process at once if an order for this moment is there."""
    order = Path(os.environ[DIRECTORY]) / moment
    try:
        # One process alone succeeds in this.
        order.rename(order.with_name(f"{moment}.done"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def tell(directory: Path, moment: Moment) -> Path:
    """Have the next web process that comes to `moment` die; return the file that says it has."""
    done = directory / f"{moment}.done"
    done.unlink(missing_ok=True)
    (directory / moment).touch()
    return done


def untell(directory: Path, moment: Moment) -> None:
    """Take back an order that no process has followed."""
    (directory / moment).unlink(missing_ok=True)
