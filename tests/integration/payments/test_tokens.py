"""Whose tokens count: the shared secret's, the public keys', and nobody else's."""

import json
import time
from io import StringIO
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command
from jwt.algorithms import RSAAlgorithm
from pytest_django import Settings

from coordinator.settings import base
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import SimulatorServer
from tests.integration.payments.tokens import bearer

NUMBER = "EDX-T001"


def claims(**changes: Any) -> dict[str, Any]:
    """Return what the LMS says of a learner."""
    now = int(time.time())
    return {
        "aud": "coordinator",
        "iss": "http://127.0.0.1:8000/oauth2",
        "iat": now,
        "exp": now + 60,
        "preferred_username": "learner-42",
        "user_id": 42,
        "administrator": False,
        "version": "1.2.0",
    } | changes


def sent(token: str) -> dict[str, str]:
    return {"Authorization": f"JWT {token}"}


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    """Return two keys of the LMS, one about to replace the other, and one of somebody else."""
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]


@pytest.fixture
def public_keys_only(settings: Settings, keys: list[rsa.RSAPrivateKey]) -> None:
    """Let only the first two keys' tokens count, as in production."""
    published = [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) for key in keys[:2]]
    key_set = json.dumps({"keys": published})
    settings.JWT_AUTH = base.jwt_auth("") | {"JWT_PUBLIC_SIGNING_JWK_SET": key_set}


@pytest.fixture
def paid(site: Site, simulator: SimulatorServer) -> None:
    site.told(simulator, simulator.pay(NUMBER))


def test_tokens_of_each_published_key_count(
    site: Site, paid: None, public_keys_only: None, keys: list[rsa.RSAPrivateKey]
) -> None:
    for key in keys[:2]:
        token = jwt.encode(claims(), key, algorithm="RS512")
        assert site.read(f"{NUMBER}/", sent(token)).status_code == 200
        other = jwt.encode(claims(user_id=43), key, algorithm="RS512")
        assert site.read(f"{NUMBER}/", sent(other)).status_code == 404


def test_tokens_of_another_key_are_refused(
    site: Site, paid: None, public_keys_only: None, keys: list[rsa.RSAPrivateKey]
) -> None:
    token = jwt.encode(claims(), keys[2], algorithm="RS512")
    assert site.read(f"{NUMBER}/", sent(token)).status_code == 401


def test_a_public_key_is_no_shared_secret(
    site: Site, paid: None, public_keys_only: None, keys: list[rsa.RSAPrivateKey]
) -> None:
    pem = keys[0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = jwt.encode(claims(), "x" * 32, algorithm="HS256").split(".")
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = algorithm.sign(f"{head}.{body}".encode(), pem)
    forged = f"{head}.{body}.{jwt.utils.base64url_encode(signature).decode()}"
    assert site.read(f"{NUMBER}/", sent(forged)).status_code == 401


def test_the_development_secret_does_not_count_beside_public_keys(
    site: Site, paid: None, public_keys_only: None
) -> None:
    token = jwt.encode(claims(), "insecure-development-jwt-key-known-to-everybody", "HS256")
    assert site.read(f"{NUMBER}/", sent(token)).status_code == 401


def test_an_unsigned_token_is_refused_beside_public_keys(
    site: Site, paid: None, public_keys_only: None
) -> None:
    token = jwt.encode(claims(), "", algorithm="none")
    assert site.read(f"{NUMBER}/", sent(token)).status_code == 401


def test_the_command_prints_a_token_that_counts(site: Site, paid: None) -> None:
    printed = StringIO()
    call_command("token", "42", stdout=printed)
    assert site.read(f"{NUMBER}/", sent(printed.getvalue().strip())).status_code == 200
    call_command("token", "43", stdout=(other := StringIO()))
    assert site.read(f"{NUMBER}/", sent(other.getvalue().strip())).status_code == 404
    call_command("token", "43", "--staff", stdout=(staff := StringIO()))
    assert site.read(f"{NUMBER}/", sent(staff.getvalue().strip())).status_code == 200


def test_the_command_makes_none_in_production(settings: Settings) -> None:
    settings.COORDINATOR_PRODUCTION = True
    with pytest.raises(CommandError):
        call_command("token", "42")


@pytest.mark.parametrize("name", ["x" * 500, "a\u0000b", {"a": 1}, ["a"], 7, True])
def test_a_name_that_is_no_users_name_does_no_harm(
    each_site: Site, simulator: SimulatorServer, name: Any
) -> None:
    # What the databases take as a name differs; none of it may be an error of ours.
    answer = each_site.read("EDX-0/", bearer(42, preferred_username=name))
    assert answer.status_code in (401, 404)
