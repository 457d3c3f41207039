"""An ordered index: identifiers by time, in a plain sorted list.

Inserting into the middle moves memory, which for the 100,000 payments of a simulator takes some
ten microseconds; almost every insert is at the end.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

#: A time in seconds and an identifier, which decides between equal times.
Key = tuple[float, str]


class TimeIndex:
    """Identifiers in the order of a time that each of them has."""

    def __init__(self) -> None:
        """Start empty."""
        self._keys: list[Key] = []

    def __len__(self) -> int:
        """Return how many identifiers are in it."""
        return len(self._keys)

    def add(self, key: Key) -> None:
        """Put an identifier in its place."""
        insort(self._keys, key)

    def extend(self, keys: Iterable[Key]) -> None:
        """Put many identifiers in their places, faster than one by one."""
        self._keys.extend(keys)
        self._keys.sort()

    def remove(self, key: Key) -> None:
        """Take out an identifier, which must be there with just this time."""
        place = bisect_left(self._keys, key)
        if place == len(self._keys) or self._keys[place] != key:
            raise KeyError(key)
        del self._keys[place]

    def oldest(self) -> Key:
        """Return the first key; the index must not be empty."""
        return self._keys[0]

    def from_time(self, seconds: float) -> Iterator[Key]:
        """Go through the keys from this time on, oldest first."""
        return self._after(bisect_left(self._keys, (seconds, "")))

    def after(self, key: Key) -> Iterator[Key]:
        """Go through the keys after this one, oldest first."""
        return self._after(bisect_right(self._keys, key))

    def before(self, key: Key) -> Iterator[Key]:
        """Go through the keys before this one, newest first."""
        for place in range(bisect_left(self._keys, key) - 1, -1, -1):
            yield self._keys[place]

    def _after(self, place: int) -> Iterator[Key]:
        """Go through the keys from `place` on."""
        for index in range(place, len(self._keys)):
            yield self._keys[index]
