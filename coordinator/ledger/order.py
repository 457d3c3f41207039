"""Decides the order of events: each beside what its own upstream object said before it.

One thing can be several objects upstream (a payment: an intent, its charge, each of its disputes),
and the times of different objects do not order their events. So an event names its *subject*, and
is late only beside the subject's last *word*, which the row keeps. An event without a subject
speaks of the whole thing.

A time that is further ahead of our clock than ``COORDINATOR_CLOCK_TOLERANCE_SECONDS`` orders
nothing: it counts as not told. What a load read is as of some moment of a window: from the newest
time that it shows, by upstream's clock, until the load began, by ours. Whether an event from within
that window is in it, no time tells.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coordinator.core import conf

#: The subject of an event, or of a reading, that speaks of the whole thing.
WHOLE: Final = ""
#: Words kept in one row. Real things have a handful of objects; this bounds what a row can weigh.
MOST_WORDS: Final = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Content = Mapping[str, object]


class Place(enum.IntEnum):
    """Where in its subject's life an event belongs, whatever its time says."""

    FIRST = 0
    """Nothing that this subject says comes before."""
    BETWEEN = 1
    LAST = 2
    """Nothing that this subject says within the same second comes after."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one subject says: columns (or other facts that its model combines), and their place."""

    content: Content = field(default_factory=dict)
    place: Place = Place.BETWEEN


@dataclass(frozen=True, slots=True)
class Word:
    """The last word of one subject, as of a moment from `since` to `until`.

    Both are microseconds since the epoch. `since` is None where no time was ever told, `until`
    where it is not known how new the word is. ``said.content`` is empty for the whole thing, whose
    columns hold it.
    """

    since: int | None
    until: int | None
    said: Said = field(default_factory=Said)

    @property
    def stored(self) -> list[Any]:
        """Return what the row keeps of it, as JSON values."""
        return [self.since, self.until, int(self.said.place), dict(self.said.content)]


Words = Mapping[str, Word]


@dataclass(frozen=True, slots=True)
class Ordering:
    """What order an event has: `late` it is logged only, and `confirm` lets upstream decide."""

    late: bool = False
    confirm: bool = False
    reason: str = ""


def words_in(stored: Mapping[str, Any]) -> dict[str, Word]:
    """Return the words that a row has stored."""
    return {
        subject: Word(since, until, Said(content, Place(place)))
        for subject, (since, until, place, content) in stored.items()
    }


def told(occurred_at: datetime | None, now: datetime) -> datetime | None:
    """Return the time that an event tells, None if it tells none or one that can't be.

    A time ahead of `now` by more than the tolerance would make every later event late, and one that
    is no time of this calendar in UTC can't be stored.
    """
    moment = in_utc(occurred_at)
    if moment is None or moment - now > timedelta(seconds=conf.seconds("CLOCK_TOLERANCE")):
        return None
    return moment


def in_utc(occurred_at: datetime | None) -> datetime | None:
    """Return the time in UTC, None if it is none of this calendar's there."""
    try:
        return None if occurred_at is None else occurred_at.astimezone(UTC)
    except OverflowError:
        return None


def decide(
    subject: str,
    says: Said,
    moment: datetime | None,
    words: Words,
    *,
    loses: Callable[[], bool],
    carries: bool,
) -> Ordering:
    """Return the order of what `subject` says at `moment`, None if that is not told.

    `loses` says whether what is held outranks it, which decides between words of one second until
    upstream is asked. `carries` says that it tells more than the row keeps: then two words that
    are equal in the row may still differ.
    """
    word = _beside(subject, words)
    if word is None:
        return Ordering()
    at = None if moment is None else _microseconds(moment)
    if at is not None and word.until is not None and at > word.until:
        return Ordering()
    if at is not None and word.since is not None and at < word.since:
        return Ordering(late=True, reason="older than what the ledger holds of it")
    # From here on no time tells.
    untold = at is None or word.until is None
    # Its life orders a subject's own words alone.
    own = word is words.get(subject)
    ours = says.place
    theirs = word.said.place if own else ours
    if ours < theirs and (ours is Place.FIRST or theirs is Place.LAST):
        return Ordering(
            late=True, confirm=untold, reason="its object says this before what it held"
        )
    if ours > theirs and (theirs is Place.FIRST or ours is Place.LAST):
        return Ordering(confirm=untold)
    if untold:
        # As it came: most events come in their order.
        return Ordering(confirm=True)
    if own and subject != WHOLE and not carries and says.content == word.said.content:
        return Ordering()
    # Providers count in seconds: within one, the rank decides, and upstream has the last word.
    reason = "in one second with what the ledger holds, which outranks it"
    return Ordering(late=loses(), confirm=True, reason=reason)


def after_event(words: Words, subject: str, says: Said, moment: datetime | None) -> dict[str, Word]:
    """Return the words that are kept after an accepted event."""
    before = _beside(subject, words)
    if moment is None:
        word = Word(None if before is None else before.since, None, says)
    else:
        word = Word(_microseconds(moment), _microseconds(moment), says)
    if subject == WHOLE:
        # It tells all of them. The columns hold what it said.
        return {WHOLE: Word(word.since, word.until, Said({}, says.place))}
    return _bounded({**words, subject: word})


def after_reading(
    words: Words, says: Mapping[str, Said], moment: datetime | None, read_at: datetime | None
) -> dict[str, Word]:
    """Return the words that are kept after all of it was read from upstream.

    `moment` is the newest time that the reading shows, `read_at` when it began.
    """
    since = None if moment is None else _microseconds(moment)
    until = since if read_at is None else _microseconds(read_at)
    after = {}
    for subject, said in {WHOLE: Said(), **says}.items():
        before = _beside(subject, words)
        begins = _latest(since, None if before is None else before.since)
        after[subject] = Word(begins, None if until is None else _latest(until, begins), said)
    return _bounded(after)


def _beside(subject: str, words: Words) -> Word | None:
    """Return the word that something of this subject is compared with."""
    if subject != WHOLE:
        return words.get(subject) or words.get(WHOLE)
    return max(words.values(), key=lambda word: word.since or 0, default=None)


def _bounded(words: dict[str, Word]) -> dict[str, Word]:
    """Return no more than may be kept: those that have said their last go first, oldest first."""
    if len(words) <= MOST_WORDS:
        return words
    newest = sorted(
        words,
        key=lambda one: (words[one].said.place is not Place.LAST, words[one].since or 0),
        reverse=True,
    )
    return {subject: words[subject] for subject in newest[:MOST_WORDS]}


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _latest(*moments: int | None) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)
