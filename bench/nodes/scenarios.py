"""What is done to the nodes, scenario by scenario; each function begins with its first step."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.nodes.farm import ROLES, Farm

#: By then every process has sent a command to each node, and so noticed one that is gone.
_NOTICED_SECONDS = 3.0


def _roll(farm: Farm, nodes: int) -> None:
    for role in ROLES:
        farm.roll(role, farm.addresses(nodes))
        # So the two lists are side by side for more than a timeout: who is stale for as long as he
        # may be has the time for it.
        farm.go_on(farm.pointer_seconds / 2)


def add(farm: Farm) -> None:
    """Roll out a list with one node more, which runs."""
    _roll(farm, 4)


def add_listed_first(farm: Farm) -> None:
    """Roll out a list with one node more, which is started when all processes know of it."""
    farm.nodes[3].stop()
    _roll(farm, 4)
    farm.nodes[3].restart()


def remove(farm: Farm) -> None:
    """Roll out a list with one node less, which runs on until no process knows of it."""
    _roll(farm, 2)
    farm.nodes[2].stop()


def remove_stopped_first(farm: Farm) -> None:
    """Stop a node, and then roll out a list without it."""
    farm.nodes[2].stop()
    farm.go_on(_NOTICED_SECONDS)
    _roll(farm, 2)


def kill(farm: Farm) -> None:
    """Kill a node, and start it again (empty) after twice the pointer's timeout."""
    farm.nodes[2].kill()
    farm.go_on(2 * farm.pointer_seconds)
    farm.nodes[2].restart()


def restart(farm: Farm) -> None:
    """Restart a node at once, as an upgrade does."""
    farm.nodes[2].stop()
    farm.nodes[2].restart()


def restart_after_a_while(farm: Farm) -> None:
    """Stop a node, and start it again when all processes have noticed."""
    farm.nodes[2].stop()
    farm.go_on(_NOTICED_SECONDS)
    farm.nodes[2].restart()


def hang(farm: Farm) -> None:
    """Let a node hang for a while, and go on with the pointers that it had."""
    farm.nodes[2].pause()
    farm.go_on(0.6 * farm.pointer_seconds)
    farm.nodes[2].resume()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario's name, what happens, and the share of all keys that have to move."""

    name: str
    act: Callable[[Farm], None]
    moves: float


ALL = (
    Scenario("add a node", add, 1 / 4),
    Scenario("add, listed first", add_listed_first, 1 / 4),
    Scenario("remove a node", remove, 1 / 3),
    Scenario("remove, stopped first", remove_stopped_first, 1 / 3),
    # It moves away, and what comes back is empty.
    Scenario("kill, return after two timeouts", kill, 2 / 3),
    Scenario("restart at once", restart, 1 / 3),
    Scenario("restart after 3 seconds", restart_after_a_while, 2 / 3),
    Scenario("hang for 0.6 of the timeout", hang, 1 / 3),
)
