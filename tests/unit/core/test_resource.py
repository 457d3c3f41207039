"""What is cached is declared once, and under a name that nobody else has."""

from dataclasses import replace
from typing import Any

import pytest

from coordinator.core import resource
from coordinator.core.resource import (
    DuplicateResource,
    InvalidResource,
    Loaded,
    Resource,
    Standing,
    UnknownResource,
)
from tests.support.things import Things


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register what it likes."""
    monkeypatch.setattr(resource, "_registry", {})


def test_what_is_registered_is_found_by_its_name(things: Things) -> None:
    assert resource.register(things.resource) is things.resource
    assert resource.get("thing") is things.resource
    assert resource.registered() == (things.resource,)


def test_a_second_recipe_for_a_name_is_refused(things: Things) -> None:
    resource.register(things.resource)
    with pytest.raises(DuplicateResource):
        resource.register(replace(things.resource, schema=2))
    assert resource.get("thing") is things.resource


def test_a_name_that_nobody_registered_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownResource, match="order"):
        resource.get("order")


def test_what_is_registered_is_listed_by_name(things: Things) -> None:
    other = resource.register(replace(things.resource, name="order"))
    resource.register(things.resource)
    assert resource.registered() == (other, things.resource)


@pytest.mark.parametrize("name", ["", "Payment", "pay ment", "a__b", "_a", "a_", "1a", "a.b", "@a"])
def test_a_name_that_can_be_no_key_is_refused(things: Things, name: str) -> None:
    with pytest.raises(InvalidResource, match="lower case letters"):
        replace(things.resource, name=name)


@pytest.mark.parametrize("state", ["", "a__b", "_a", "a_", "a  b", "1a", "a.b", "@a", "a:b", "ü"])
def test_a_state_that_can_be_no_key_is_refused_with_its_name(things: Things, state: str) -> None:
    with pytest.raises(InvalidResource, match=f"the state {state!r} of thing"):
        replace(things.resource, states=frozenset({"paid", state}))


@pytest.mark.parametrize("schema", [0, True, 2.0, "2"])
def test_schemas_are_numbers_that_count_from_one(things: Things, schema: Any) -> None:
    with pytest.raises(InvalidResource, match="schema"):
        replace(things.resource, schema=schema)


def test_a_likely_state_is_one_of_the_states(things: Things) -> None:
    with pytest.raises(InvalidResource, match="shipped"):
        replace(things.resource, likely_states=("shipped",))


class Kept:
    """What a Resource takes from a model, without a database."""

    @classmethod
    def recipe(cls) -> dict[str, Any]:
        return {
            "name": "kept",
            "states": frozenset({"open"}),
            "standings": lambda names: {name: Standing("open", 1, "42", "u") for name in names},
            "may_seed": lambda: False,
        }


def load(identifier: str, standing: Standing) -> Loaded:
    return Loaded(b"{}", standing.state, standing.owner)


def test_a_model_fills_what_it_knows_and_the_rest_is_said() -> None:
    made = Resource.of(Kept, load=load, schema=3, likely_states=("open",))
    assert (made.name, made.states, made.load) == ("kept", frozenset({"open"}), load)
    assert (made.schema, made.likely_states, made.may_seed()) == (3, ("open",), False)
    assert made.standing("K-1") == Standing("open", 1, "42", "u")


def test_register_decorates_a_load_and_makes_a_resource_of_it(things: Things) -> None:
    kept = resource.register(Kept, schema=2)(load)
    assert resource.get("kept") is kept
    assert (kept.load, kept.schema) == (load, 2)
    with pytest.raises(DuplicateResource, match="kept"):
        resource.register(Kept)(load)


def test_one_standing_is_asked_for_like_many(things: Things) -> None:
    standing = things.write("T-1", "paid")
    assert things.resource.standing("T-1") == standing
    assert things.resource.standing("T-2") is None


@pytest.mark.parametrize(
    ("loaded", "lags"),
    [
        (Loaded(b"", "paid", "42"), False),
        (Loaded(b"", "paid", "42", version=5), False),
        (Loaded(b"", "paid", "42", version=6), False),
        (Loaded(b"", "paid", "42", version=4), True),
        (Loaded(b"", "open", "42", version=5), True),
        (Loaded(b"", "open", "42", version=6), True),
        (Loaded(b"", "paid", "7", version=5), True),
    ],
)
def test_what_is_not_what_the_ledger_promised_lags(loaded: Loaded, lags: bool) -> None:
    assert loaded.lags(Standing("paid", 3, "42", "up_1", version=5)) is lags


def test_without_a_version_in_the_ledger_any_will_do() -> None:
    standing = Standing("paid", 3, "42", "up_1")
    assert not Loaded(b"", "paid", "42", version=1).lags(standing)


def test_a_payload_is_not_in_what_a_log_would_print() -> None:
    assert "secret" not in repr(Loaded(b"secret", "paid", "42", observation="secret"))
