"""A stand-in for a resource's load function: it says what it is told to, and counts its calls."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping

from coordinator.core.resource import Loaded, LoadResult, Standing

PATIENCE_SECONDS = 10.0
OWNER = "42"

Act = Callable[[str, Standing], Loaded]


class Held:
    """One load that has begun, and does not end before it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._let_go = threading.Event()

    def await_begin(self) -> None:
        """Return once the load has begun; fail if it never does."""
        assert self.begun.wait(PATIENCE_SECONDS), "nothing was loaded"

    def let_go(self) -> None:
        """Let the load end."""
        self._let_go.set()

    def act(self, identifier: str, standing: Standing) -> Loaded:
        """Be the load."""
        self.begun.set()
        assert self._let_go.wait(PATIENCE_SECONDS), "nobody let the load go on"
        return agreeing(identifier, standing)


class Upstream:
    """Agrees with the ledger unless it is told otherwise."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bulk_calls: list[tuple[str, ...]] = []
        self._lock = threading.Lock()
        self._scripts: dict[str, deque[Act]] = defaultdict(deque)
        self._always: dict[str, Act] = {}

    # -- what it is told ---------------------------------------------------------------------------

    def says(self, identifier: str, loaded: Loaded) -> None:
        """Answer with `loaded` whenever `identifier` is asked for, whatever the ledger says."""
        self._always[identifier] = lambda _identifier, _standing: loaded

    def always_fails(self, identifier: str, error: Exception) -> None:
        """Raise `error` whenever `identifier` is asked for."""
        self._always[identifier] = _raising(error)

    def agrees(self, identifier: str) -> None:
        """Agree with the ledger again."""
        self._always.pop(identifier, None)

    def fails_once(self, identifier: str, error: Exception) -> None:
        """Raise `error` the next time `identifier` is asked for."""
        self._scripts[identifier].append(_raising(error))

    def says_once(self, identifier: str, loaded: Loaded) -> None:
        """Answer with `loaded` the next time `identifier` is asked for."""
        self._scripts[identifier].append(lambda _identifier, _standing: loaded)

    def holds_back(self, identifier: str) -> Held:
        """Let the next load of `identifier` begin, and not end before it is let go."""
        held = Held()
        self._scripts[identifier].append(held.act)
        return held

    def does_first(self, identifier: str, happening: Callable[[], object]) -> None:
        """Let something happen in the middle of the next load of `identifier`."""

        def act(asked: str, standing: Standing) -> Loaded:
            happening()
            return agreeing(asked, standing)

        self._scripts[identifier].append(act)

    # -- what the core calls -----------------------------------------------------------------------

    def load(self, identifier: str, standing: Standing) -> Loaded:
        """Be a Resource's ``load``."""
        return self._answer(identifier, standing)

    def load_many(self, wanted: Mapping[str, Standing]) -> Mapping[str, LoadResult]:
        """Be a Resource's ``load_many``, one whose answer is spoilt by any of those asked for."""
        with self._lock:
            self.bulk_calls.append(tuple(wanted))
        return {
            identifier: self._act(identifier)(identifier, standing)
            for identifier, standing in wanted.items()
        }

    def _answer(self, identifier: str, standing: Standing) -> Loaded:
        with self._lock:
            self.calls.append(identifier)
        return self._act(identifier)(identifier, standing)

    def _act(self, identifier: str) -> Act:
        with self._lock:
            script = self._scripts[identifier]
            return script.popleft() if script else self._always.get(identifier, agreeing)


def agreeing(identifier: str, standing: Standing) -> Loaded:
    """Return what upstream says if it knows what the ledger knows."""
    payload = f'{{"number":"{identifier}","state":"{standing.state}"}}'.encode()
    return Loaded(payload, standing.state, standing.owner, standing.version)


def _raising(error: Exception) -> Act:
    def act(_identifier: str, _standing: Standing) -> Loaded:
        raise error

    return act
