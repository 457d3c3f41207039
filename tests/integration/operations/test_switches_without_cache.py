"""A kill switch can be thrown while the cache is down."""

import pytest
from django.core.management import call_command

from coordinator.warmer import switching

pytestmark = pytest.mark.usefixtures("sqlite_ledger", "no_cache")


def test_a_switch_thrown_while_the_cache_is_down_is_recorded_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("coordinator_switch", "warming", "paused")
    assert "The cache does not answer" in capsys.readouterr().err
    thrown = switching.truth()
    assert thrown is not None
    assert thrown.warming == "paused"
