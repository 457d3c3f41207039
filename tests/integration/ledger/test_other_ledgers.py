"""Standings of models that are not ours: what `standings_of` promises to whoever writes one."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection, models

from coordinator.ledger.models import Ledgered
from coordinator.ledger.queries import standings_of
from coordinator.ledger.states import State, StateTable

pytestmark = pytest.mark.usefixtures("each_ledger")

STATES = StateTable(State("placed", rank=1, terminal=False))


class Backwards(models.CharField):  # type: ignore[type-arg]  # can't be given at run time
    """A column whose stored form is not what the model has, as an encrypted one's is not."""

    def from_db_value(self, value: str, *_: object) -> str:
        return value[::-1]

    def get_prep_value(self, value: Any) -> str:
        return str(value)[::-1]


class OfOneTenant(models.Manager[Any]):
    """A manager that adds a parameter to every query."""

    def get_queryset(self) -> "models.QuerySet[Any]":
        return super().get_queryset().filter(upstream_id="up_1")


def made() -> dict[str, type[Ledgered]]:
    """Return one model of each kind that the quick way can't serve, known to nobody else."""
    registry = Apps()

    class Encrypted(Ledgered):
        resource_name, owner_column, state_table = "encrypted", "who", STATES
        who = Backwards(max_length=30)

        class Meta:
            app_label = "others"
            apps = registry

    class Tenant(Ledgered):
        resource_name, owner_column, state_table = "tenant", "who", STATES
        who = models.CharField(max_length=30)
        objects = OfOneTenant()

        class Meta:
            app_label = "others"
            apps = registry

    class Numbered(Ledgered):
        resource_name, owner_column, state_table = "numbered", "who", STATES
        who = models.UUIDField()

        class Meta:
            app_label = "others"
            apps = registry

    return {"encrypted": Encrypted, "tenant": Tenant, "numbered": Numbered}


@pytest.fixture
def other(request: pytest.FixtureRequest, each_ledger: str) -> Iterator[type[Ledgered]]:
    """Yield the model of this name, with its table."""
    model = made()[request.param]
    with connection.schema_editor() as editor:
        editor.create_model(model)
    yield model
    with connection.schema_editor() as editor:
        editor.delete_model(model)


@pytest.mark.parametrize(
    ("other", "who"),
    [("encrypted", "abc"), ("tenant", "abc"), ("numbered", uuid.UUID(int=7))],
    indirect=["other"],
)
def test_an_owner_is_what_the_model_says(other: type[Ledgered], who: object) -> None:
    columns = {"upstream_id": "up_1", "state": "placed", "revision": 3, other.owner_column: who}
    other._base_manager.create(number="O-1", **columns)
    standing = standings_of(other)(["O-1", "O-2"])["O-1"]
    assert (standing.owner, standing.revision, standing.state) == (who, 3, "placed")
