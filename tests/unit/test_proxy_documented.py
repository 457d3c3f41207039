"""The proxy's configuration is in one file: the guide shows it, and compose mounts it."""

from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
CONFIGURATION = (TOP / "containers/nginx/coordinator.conf").read_text()
COMPOSE = yaml.safe_load((TOP / "docker-compose.yml").read_text())["services"]


def test_the_guide_shows_the_configuration_that_is_tested() -> None:
    assert CONFIGURATION in (TOP / "docs/deploying.md").read_text()


def test_in_compose_only_the_proxy_lets_anyone_in() -> None:
    let_in = {name for name, one in COMPOSE.items() if "ports" in one and "profiles" not in one}
    assert let_in == {"proxy"}
    assert any("nginx/coordinator.conf" in mounted for mounted in COMPOSE["proxy"]["volumes"])


def test_the_proxy_takes_bodies_as_large_as_we_do() -> None:
    from django.conf import settings

    assert settings.COORDINATOR_WEBHOOK_MAX_BYTES == 256 * 1024
    assert "client_max_body_size 256k;" in CONFIGURATION
