"""Puts the findings together: one word for any client, the rest for operators."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from coordinator.operations.health import checks
from coordinator.operations.health.bounded import CheckResult, findings


@dataclass(frozen=True, slots=True)
class Report:
    """Whether this process should get traffic, and what was found."""

    ready: bool
    found: Mapping[str, CheckResult]

    def brief(self) -> dict[str, object]:
        """Return what any client may know."""
        return {"status": "ok" if self.ready else "unavailable"}

    def detailed(self) -> dict[str, object]:
        """Return what operators want to know."""
        return self.brief() | {
            "checks": {
                name: {
                    "ok": finding.ok,
                    "gating": name in {check.name for check in checks.GATING},
                    "milliseconds": round(finding.seconds * 1000, 1),
                    **finding.details,
                }
                for name, finding in self.found.items()
            }
        }


def report(*, everything: bool) -> Report:
    """Look at what decides, and at the rest too if `everything`; bounded by the timeout setting."""
    asked = checks.GATING + (checks.REPORTED if everything else ())
    found = findings(asked, settings.COORDINATOR_HEALTH_TIMEOUT_SECONDS)
    return Report(all(found[check.name].ok for check in checks.GATING), found)
