"""The oracle: knows what the ledger had committed before a request began, and judges the answer.

It asks the ledger's own database, by a connection of its own, in the moment before the request is
sent, and it believes nothing that the cache says. Whatever is committed by then, a reader must get
(guarantee G1 of docs/decisions/0004).
"""

from collections.abc import Callable
from dataclasses import dataclass

from tools.report.answers import How, ReadAnswer


@dataclass(frozen=True, slots=True)
class Committed:
    """What the ledger says of one payment at one moment."""

    state: str
    revision: int


#: Returns what is committed of a payment now, None if the ledger does not know it.
Ledger = Callable[[str], Committed | None]


def staleness(before: Committed | None, answer: ReadAnswer) -> str:
    """Return why `answer` is older than what was committed before its request, "" if it is not.

    Three ways to be stale: a lower revision; "there is no such payment" of one that is committed;
    and an entry of that very revision whose content is of another state, that is, old content under
    a new label. The last is asked of hits alone: a miss shows what upstream says, and upstream may
    be ahead of the ledger.
    """
    if before is None:
        return ""
    if answer.how is How.UNKNOWN:
        return f"not found, though revision {before.revision} was committed"
    if not answer.how.is_read:
        return ""
    if answer.revision is None:
        return "it names no revision"
    if answer.revision < before.revision:
        return f"revision {answer.revision}, though {before.revision} was committed"
    if (
        answer.how is How.HIT
        and answer.revision == before.revision
        and answer.state not in (None, before.state)
    ):
        return f"revision {answer.revision} shows {answer.state}, not {before.state}"
    return ""
