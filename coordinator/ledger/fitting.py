"""Applies what an event says to a row, and refuses what the row's model can't hold.

In memory, before anything is written: the database checks less (SQLite no lengths, none of them the
table of states), and what it let in once would fail in every later read.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models

from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, Ledgered


class ChangeRefused(CoordinatorError):
    """The event says what the ledger can't hold, so nothing of it was recorded."""

    permanent = True


class UnknownColumn(ChangeRefused):
    """The event names a column that its model does not have."""


class ColumnNotYours(ChangeRefused):
    """The event names a column that the ledger alone writes."""


class UnfitValue(ChangeRefused):
    """The event has a value that its column can't hold."""


class StateNotInTable(ChangeRefused):
    """The event makes a state that the model's table of states does not have."""


#: What the protocol itself sets: content that changed it would take another event's revision.
_LEDGERS_OWN: Final = frozenset(
    {"id", "pk", "number", "upstream_id", "revision", "occurred_at", "changed_at", "words"}
)
_NO_TEXT: Final = (bytes, bytearray, memoryview, list, tuple, dict, set, frozenset)


def check(model: type[Ledgered], **of_the_event: str) -> None:
    """Raise UnfitValue if the log, or `model`, has no room for what names an event.

    The arguments are named as the columns of Change and of `model` are; no database is asked.
    """
    for name, value in of_the_event.items():
        field = columns_of(Change).get(name) or columns_of(model)[name]
        _fitting(field, value, None)


def apply(row: Ledgered, content: Mapping[str, object]) -> str:
    """Let `content` change `row`, which is not saved; return the state that its columns add up to.

    Values become those of their columns' types. Raise a ChangeRefused that names the column and
    what is wrong with its value, never the value.
    """
    model = type(row)
    columns = columns_of(model)
    # A model with its own way of applying content names its content as it likes.
    if model.apply is Ledgered.apply:
        _check_names(row, content)
    before = dict(row.__dict__)
    row.apply(content)
    for name, field in columns.items():
        value = row.__dict__.get(name)
        # Of a row that is not in the database yet, every column is to be written.
        if (row._state.adding and not field.primary_key) or value is not before.get(name):  # noqa: SLF001  # Django's public name
            row.__dict__[name] = _fitting(field, value, row)
    state = row.derive_state()
    if state not in row.state_table:
        raise StateNotInTable(row.resource_name)
    return state


@cache
def columns_of(model: type[models.Model]) -> Mapping[str, "models.Field[Any, Any]"]:
    """Return the columns of `model` by the name of the attribute that holds the value."""
    return {field.attname: field for field in model._meta.concrete_fields}  # noqa: SLF001  # public


@cache
def _names_of(model: type[models.Model]) -> frozenset[str]:
    fields = columns_of(model).values()
    return frozenset({name for field in fields for name in (field.name, field.attname)})


def _check_names(row: Ledgered, content: Mapping[str, object]) -> None:
    names = _names_of(type(row))
    for name in content:
        if name in _LEDGERS_OWN:
            raise ColumnNotYours(f"{row.resource_name}.{name}")
        if name not in names:
            raise UnknownColumn(f"{row.resource_name}.{name}")


def _fitting(field: "models.Field[Any, Any]", value: Any, row: Ledgered | None) -> Any:
    """Return `value` as the column's type has it; raise UnfitValue if the column can't hold it.

    What `Field.clean` checks, but for two things: an empty text is a text (forms alone mind), and
    no other table is asked whether it has the row that a foreign key names.
    """
    if value is None:
        if not field.null:
            raise _unfit(field, "null")
        return None
    is_text = isinstance(field, models.CharField | models.TextField)
    if is_text and isinstance(value, _NO_TEXT):
        raise _unfit(field, "no text")
    try:
        found = field.to_python(value)
        if found not in field.empty_values and not field.is_relation:
            field.validate(found, row)
        field.run_validators(found)
    except ValidationError as error:
        raise _unfit(field, error.error_list[0].code or "invalid") from None
    except (TypeError, ValueError, OverflowError):
        raise _unfit(field, "invalid") from None
    if is_text and not _storable(str(found)):
        raise _unfit(field, "characters")
    if isinstance(field, models.IntegerField) and isinstance(value, float) and found != value:
        raise _unfit(field, "fraction")
    return found


def _storable(text: str) -> bool:
    """Return False for a NUL, which PostgreSQL's text can't have, or half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _unfit(field: "models.Field[Any, Any]", code: str) -> UnfitValue:
    return UnfitValue(f"{field.model._meta.model_name}.{field.name}: {code}")  # noqa: SLF001  # public
