"""The documented list of metrics, the alerts, and what the code declares are the same."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from coordinator.operations.metrics import declared
from coordinator.operations.metrics.scraping import Asked

TOP = Path(__file__).resolve().parents[3]
OPERATIONS = (TOP / "docs" / "operations.md").read_text()
RULES = TOP / "docs" / "alerts" / "coordinator.rules.yml"
_OURS = re.compile(r"\bcoordinator_[a-z_]+")
_SELECTED = re.compile(r"\b(coordinator_[a-z_]+)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


def names_of(metric: Counter | Gauge | Histogram) -> tuple[str, str]:
    """Return the name of a metric as it is shown, and its kind."""
    kind = type(metric)._type.removesuffix("histogram") or "histogram"
    [family] = metric.describe()
    return (f"{family.name}_total" if kind == "counter" else family.name), kind


def existing() -> dict[str, tuple[str, frozenset[str]]]:
    """Return kind and labels of everything that there is to look at."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for metric in vars(declared).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name, kind = names_of(metric)
            found[name] = kind, frozenset(metric._labelnames)
    labels = {
        "coordinator_switch_position": frozenset({"switch", "position"}),
        "coordinator_upstream_budget_limit": frozenset({"of"}),
    }
    for family in Asked().describe():
        found[family.name] = family.type, labels.get(family.name, frozenset())
    return found


EXISTING = existing()


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Return what docs/operations.md says of each metric."""
    rows = re.findall(
        r"^\| `(coordinator_[a-z_]+)` \| (\w+) \|([^|]*)\|", OPERATIONS, flags=re.MULTILINE
    )
    assert len(rows) == len({name for name, *_ in rows}), "a metric is documented twice"
    return {
        name: (kind, frozenset(re.findall(r"`([a-z_]+)`", labels))) for name, kind, labels in rows
    }


def test_the_documentation_lists_every_metric_with_its_labels_and_no_other() -> None:
    assert documented() == EXISTING


@pytest.mark.parametrize("name", EXISTING)
def test_a_name_follows_the_conventions(name: str) -> None:
    kind, _ = EXISTING[name]
    assert name.startswith("coordinator_")
    assert name.endswith("_total") == (kind == "counter")
    assert kind != "histogram" or name.endswith("_seconds")


def test_labels_are_never_what_there_are_many_of() -> None:
    labels = {label for _, labels in EXISTING.values() for label in labels}
    assert not labels & {"identifier", "number", "owner", "user", "path", "entry", "reason_text"}


# -- alerts ------------------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load(RULES.read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def name_in_list(mentioned: str) -> str:
    """Return the metric that a sample's name belongs to."""
    plain = re.sub(r"_(bucket|sum|count)$", "", mentioned)
    return plain if plain in EXISTING and EXISTING[plain][0] == "histogram" else mentioned


def anchors() -> set[str]:
    """Return the anchors of the headings of docs/operations.md, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", OPERATIONS, flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def matchers(expression: str) -> Iterator[tuple[str, str, str]]:
    """Yield metric, label and value of every selection in a PromQL expression."""
    for name, inside in _SELECTED.findall(expression):
        for label, value in _MATCHER.findall(inside):
            yield name_in_list(name), label, value


def each_rule() -> list[Any]:
    return [pytest.param(rule, id=rule["alert"]) for rule in rules()]


def test_what_matters_has_an_alert() -> None:
    together = " ".join(rule["expr"] for rule in rules())
    for name in (
        "coordinator_backlog_oldest_seconds",
        "coordinator_reads_total",
        "coordinator_abandoned_changes",
        "coordinator_verified_total",
        "coordinator_breaker_state",
        "coordinator_heartbeat_timestamp_seconds",
    ):
        assert name in together


def test_no_two_alerts_share_a_name() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", each_rule())
def test_an_alert_has_all_that_prometheus_and_its_reader_need(rule: Mapping[str, Any]) -> None:
    assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert rule["alert"].startswith("Coordinator")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0m"))
    assert rule["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("rule", each_rule())
def test_an_alert_asks_only_for_what_exists(rule: Mapping[str, Any]) -> None:
    mentioned = {name_in_list(name) for name in _OURS.findall(rule["expr"])}
    assert mentioned
    assert mentioned <= set(EXISTING)
    for name, label, _ in matchers(rule["expr"]):
        assert label in EXISTING[name][1], (name, label)


@pytest.mark.parametrize("rule", each_rule())
def test_an_alert_names_its_section_of_the_runbook(rule: Mapping[str, Any]) -> None:
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert document == "docs/operations.md"
    assert anchor == rule["alert"].lower()
    assert anchor in anchors()


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    sections = set(re.findall(r"^### (Coordinator\w+)$", OPERATIONS, flags=re.MULTILINE))
    assert sections == {rule["alert"] for rule in rules()}


def test_every_link_within_the_runbook_leads_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", OPERATIONS)) <= anchors()
