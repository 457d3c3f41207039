"""Several workers at once, on each database and cache: nothing is lost, nothing is loaded twice."""

from pytest_django import Settings

from tests.support.payments import record
from tests.support.settling import settle, states
from tests.support.threads import at_once
from tests.support.upstream import Upstream


def test_several_workers_share_a_backlog_and_load_everything_once(
    each_ledger: str, each_cache: str, upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 4
    names = [f"EDX-{number}" for number in range(30)]
    for name in names:
        record("processing", at=1, number=name)

    def work() -> int:
        claimed = 0
        while (page := settle()).claimed:
            claimed += page.claimed
        return claimed

    shares = at_once([work] * 3)
    assert not [share for share in shares if isinstance(share, BaseException)]
    assert work() == 0
    assert states() == {"warmed": 30}
    assert sorted(upstream.calls) == sorted(names)
