"""``GET`` of a warm payment through the whole stack: the production server, its middleware, JWT."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench import things
from bench.figures import Figure, at_least, at_most, compared
from bench.http import Client, ask_together
from bench.options import Options
from bench.peers import tiered
from bench.rounds import Contestant, interleave
from bench.site import Site
from bench.tokens import token
from coordinator.core import resource

_TOGETHER = 4
_HUNDRED = 100
_WARM, _CONSTANT = "/api/v1/payments/GET-0/", "/bench/constant/GET-0"
_BARE, _OPEN_EDX = "/bench/bare/GET-0/", "/bench/openedx/GET-0"


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    names = things.numbers(_HUNDRED, "GET")
    things.put_warm(resource.get("payment"), names, 600)
    # Puts what the old pattern finds.
    tiered.contestants(names[:1], 600)
    many = f"/api/v1/payments/?numbers={','.join(names)}"
    with ExitStack() as stack:

        def clients(path: str, count: int = 1) -> list[Client]:
            return stack.enter_context(_clients(site.web, path, count))

        [warm], [constant], [hundred] = clients(_WARM), clients(_CONSTANT), clients(many)
        warm_together, constant_together = clients(_WARM, _TOGETHER), clients(_CONSTANT, _TOGETHER)
        bare_together, open_edx_together = clients(_BARE, _TOGETHER), clients(_OPEN_EDX, _TOGETHER)
        contestants = [
            Contestant("warm", warm.ask),
            Contestant("constant", constant.ask),
            Contestant("warm, together", lambda times: ask_together(warm_together, times)),
            Contestant("constant, together", lambda times: ask_together(constant_together, times)),
            Contestant("bare, together", lambda times: ask_together(bare_together, times)),
            Contestant("openedx, together", lambda times: ask_together(open_edx_together, times)),
            Contestant("hundred", hundred.ask),
        ]
        calls = options.of(40, 100)
        each = {one.name: calls for one in contestants} | {"hundred": max(1, calls // 10)}
        times = interleave(contestants, rounds=options.of(11, 41), calls=each)
    single, floor = times["warm"].microseconds, times["constant"].microseconds
    per_second = 1 / times["warm, together"].median
    constant_per_second = 1 / times["constant, together"].median
    bare_per_second = 1 / times["bare, together"].median
    open_edx_per_second = 1 / times["openedx, together"].median
    at_once = times["hundred"].microseconds
    return [
        compared(
            "requests", "GET of a warm payment", single, floor, "µs", "constant view", at_most(1.25)
        ),
        Figure(
            "requests",
            "the same, four at a time, per second",
            per_second,
            "/s",
            constant_per_second / per_second,
            constant_per_second,
            "constant view",
            at_most(1.25),
        ),
        Figure(
            "requests",
            "warm GET, four at a time, per second",
            per_second,
            "/s",
            per_second / bare_per_second,
            bare_per_second,
            "bare view, no middleware",
            at_least(0.5),
        ),
        Figure(
            "requests",
            "the same",
            per_second,
            "/s",
            per_second / open_edx_per_second,
            open_edx_per_second,
            "Open edX's pattern",
            at_least(8),
        ),
        Figure(
            "requests",
            "100 payments in one GET, beside 100 GETs",
            at_once,
            "µs",
            _HUNDRED * single / at_once,
            _HUNDRED * single,
            "100 GETs",
            at_least(15),
        ),
    ]


@contextmanager
def _clients(server: str, path: str, count: int) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Client(server, path, token())) for _ in range(count)]
