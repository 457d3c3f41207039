"""deploy/kubernetes is valid, and says the same as the compose file and the alerts."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
BASE = TOP / "deploy" / "kubernetes" / "base"
EXAMPLE = BASE.parent / "example"
COMPOSE = yaml.safe_load((TOP / "docker-compose.yml").read_text())
# The oldest and the newest of Kubernetes that resources are tried against.
VERSIONS = ("1.31", "1.35")
# Resources of the Prometheus operator, whose schemas Kubernetes does not have.
CUSTOM = {"PodMonitor", "PrometheusRule"}

Resource = dict[str, Any]


def resources() -> list[Resource]:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return [one for name in listed for one in yaml.safe_load_all((BASE / name).read_text())]


def named(kind: str, name: str) -> Resource:
    [found] = [one for one in resources() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def container(role: str, kind: str = "Deployment") -> Resource:
    pod = named(kind, f"coordinator-{role}")["spec"]["template"]["spec"]
    [found] = pod["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_each_resource_is_valid(version: str) -> None:
    for one in resources():
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


def test_each_file_of_the_base_is_listed() -> None:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"} == set(listed)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl renders overlays")
def test_the_example_overlay_renders_with_its_own_image_and_host() -> None:
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(EXAMPLE)], capture_output=True, text=True, check=True
    ).stdout
    images = re.findall(r"image: (\S+)", rendered)
    assert set(images) == {"ghcr.io/example/coordinator:v0.1.0"}
    assert "payments.example.org" not in rendered
    for one in yaml.safe_load_all(rendered):
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, VERSIONS[-1], strict=True)


def test_the_alerts_are_those_of_the_docs() -> None:
    alerts = yaml.safe_load((TOP / "docs" / "alerts" / "coordinator.rules.yml").read_text())
    assert named("PrometheusRule", "coordinator")["spec"] == alerts


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_a_program_is_started_as_in_the_compose_file(role: str) -> None:
    there = [str(word) for word in COMPOSE["services"][role]["command"]]
    there = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in there]
    assert container(role)["args"] == there


def test_the_migration_is_that_of_the_compose_file() -> None:
    assert container("migrate", "Job")["args"] == COMPOSE["services"]["migrate"]["command"]


def test_each_setting_is_one_that_the_compose_file_gives_too() -> None:
    given = set(named("ConfigMap", "coordinator")["data"])
    assert given <= set(COMPOSE["x-settings"])


def test_each_secret_is_a_file_that_make_secrets_makes() -> None:
    data = named("ConfigMap", "coordinator")["data"]
    files = {Path(value).name for name, value in data.items() if name.endswith("_FILE")}
    made = set(
        re.findall(r"^\s*keep (\w+)", (TOP / "containers" / "make-secrets").read_text(), re.M)
    )
    assert files
    assert files <= made


@pytest.mark.parametrize("role", ["web", "worker", "beat"])
def test_a_pod_can_change_nothing_and_is_watched(role: str) -> None:
    pod = named("Deployment", f"coordinator-{role}")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    mine = container(role)
    assert mine["securityContext"]["readOnlyRootFilesystem"] is True
    assert mine["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert mine["livenessProbe"]
    assert mine["startupProbe"]


def test_a_program_ends_before_kubernetes_kills_it() -> None:
    for role in ("web", "worker"):
        grace = named("Deployment", f"coordinator-{role}")["spec"]["template"]["spec"]
        compose = int(str(COMPOSE["services"][role]["stop_grace_period"]).removesuffix("s"))
        assert grace["terminationGracePeriodSeconds"] >= compose


def test_there_is_one_beat_at_a_time() -> None:
    spec = named("Deployment", "coordinator-beat")["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
