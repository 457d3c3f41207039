"""System checks of the models that the ledger keeps: what each of them has to declare."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist

from coordinator.core import conf
from coordinator.ledger import joining
from coordinator.ledger.models import Ledgered

_DECLARED = {
    "resource_name": "the name of its resource, like 'order'",
    "state_table": "the StateTable of its states",
    "owner_column": "the name of the column that says who may read a row",
}


@checks.register(checks.Tags.models)
def check_models(**_: Any) -> list[checks.CheckMessage]:
    """Return what the models that the ledger keeps leave out."""
    return list(models_are_complete())


def models_are_complete() -> Iterator[checks.CheckMessage]:
    """A model that the ledger keeps says how it is called, which states it has, and who owns it."""
    of_name: dict[str, str] = {}
    for model in apps.get_models():
        if not issubclass(model, Ledgered):
            continue
        label = model._meta.label  # noqa: SLF001  # Django's public name
        for name, meaning in _DECLARED.items():
            if not hasattr(model, name):
                yield _incomplete(label, f"does not declare {name}: {meaning}.")
        column = getattr(model, "owner_column", None)
        if column is not None:
            try:
                model._meta.get_field(column)  # noqa: SLF001  # Django's public name
            except FieldDoesNotExist:
                yield _incomplete(label, f"has no column {column!r}, which is its owner_column.")
        name = getattr(model, "resource_name", label)
        if name in of_name:
            yield _incomplete(label, f"keeps the resource {name!r}, as {of_name[name]} does.")
        of_name[name] = label


@checks.register(checks.Tags.database)
def check_transactions(**_: Any) -> list[checks.CheckMessage]:
    """Return what is wrong with the transactions that changes join."""
    return list(joined_transactions_are_bounded())


def joined_transactions_are_bounded() -> Iterator[checks.CheckMessage]:
    """A change that joins a request's transaction is suspended for no longer than its timeout."""
    database = settings.DATABASES["default"]
    if conf.text("ATOMIC") not in joining.MODES:
        yield checks.Error(
            "COORDINATOR_ATOMIC is neither 'join' nor 'outermost'.", id="coordinator.E024"
        )
    elif conf.text("ATOMIC") == joining.JOIN and database.get("ATOMIC_REQUESTS"):
        options = str(database.get("OPTIONS", {}).get("options", ""))
        if "transaction_timeout" not in options.replace("idle_in_transaction_session_timeout", ""):
            yield checks.Warning(
                "ATOMIC_REQUESTS makes each request a transaction, and nothing bounds how long one "
                "takes. Where a request commits later than COORDINATOR_SUSPENSION_TIMEOUT_SECONDS "
                "after a change, readers may be served what was before it for up to "
                "COORDINATOR_POINTER_TIMEOUT_SECONDS.",
                hint="Set transaction_timeout in the database's options (PostgreSQL 17 and newer) "
                "to less than the suspension, or silence this where requests are shorter.",
                id="coordinator.W007",
            )


def _incomplete(label: str, what: str) -> checks.CheckMessage:
    return checks.Error(
        f"{label} {what}",
        hint='See the page "Your first resource" in the documentation.',
        id="coordinator.E019",
    )
