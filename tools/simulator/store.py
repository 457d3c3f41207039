"""All payments that the provider holds, with enough of their past to lag behind it.

Bounded: of more than `limit` payments the oldest are forgotten, as if they had never been (their
webhooks may still be under way). A change is remembered for `MAX_LAG_SECONDS`, since a read may be
asked to answer as of that long ago.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import takewhile

from tools.simulator.index import Key, TimeIndex
from tools.simulator.payment import Charge, Payment

MAX_LAG_SECONDS = 300.0
DEFAULT_LIMIT = 100_000

_NEWEST: Key = (float("inf"), "")


class Store:
    """Payments by identifier, by when they were created and by when they last changed.

    Times are seconds since the epoch. Wherever `as_of` is taken, the answer is the one that would
    have been given then; infinity means now.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        """Start empty, to hold at most `limit` payments."""
        self.limit = limit
        self._payments: dict[str, Payment] = {}
        self._owners: dict[str, str] = {}
        self._by_creation = TimeIndex()
        self._by_update = TimeIndex()
        self._past: dict[str, list[Payment]] = {}
        self._changes: deque[Key] = deque()

    def __len__(self) -> int:
        """Return how many payments are held."""
        return len(self._payments)

    def put(self, payment: Payment) -> None:
        """Keep a payment as it is now, new or changed."""
        old = self._payments.get(payment.id)
        if old is None:
            self._by_creation.add(creation_key(payment))
        else:
            self._by_update.remove(update_key(old))
            self._past.setdefault(payment.id, []).append(old)
            self._changes.append((payment.updated_at, payment.id))
        self._payments[payment.id] = payment
        self._by_update.add(update_key(payment))
        if payment.charges and (old is None or len(old.charges) < len(payment.charges)):
            self._owners[payment.charges[-1].id] = payment.id
        self._forget_past(payment.updated_at - MAX_LAG_SECONDS)
        self._forget_oldest()

    def put_many(self, payments: Iterable[Payment]) -> None:
        """Keep many new payments at once; none may be held already."""
        new = list(payments)
        self._payments.update((payment.id, payment) for payment in new)
        self._owners.update((charge.id, each.id) for each in new for charge in each.charges)
        self._by_creation.extend(map(creation_key, new))
        self._by_update.extend(map(update_key, new))
        self._forget_oldest()

    def get(self, payment_id: str, as_of: float = float("inf")) -> Payment | None:
        """Return the payment as it was at `as_of`, None if it isn't held or was not yet made."""
        payment = self._payments.get(payment_id)
        if payment is None or payment.updated_at <= as_of:
            return payment
        past = reversed(self._past.get(payment_id, ()))
        return next((version for version in past if version.updated_at <= as_of), None)

    def get_by_charge(
        self, charge_id: str, as_of: float = float("inf")
    ) -> tuple[Payment, Charge] | None:
        """Return a charge and its payment as they were at `as_of`, None if there was none."""
        payment = self.get(self._owners.get(charge_id, ""), as_of)
        if payment is None:
            return None
        return next(((payment, kept) for kept in payment.charges if kept.id == charge_id), None)

    def created_before(self, key: Key = _NEWEST, as_of: float = float("inf")) -> Iterator[Payment]:
        """Go through the payments created before `key` (see `creation_key`), newest first."""
        return self._seen(self._by_creation.before(key), as_of)

    def created_after(self, key: Key, as_of: float = float("inf")) -> Iterator[Payment]:
        """Go through the payments created after `key`, oldest first."""
        return self._seen(self._by_creation.after(key), as_of)

    def updated_after(self, key: Key, as_of: float = float("inf")) -> Iterator[Payment]:
        """Go through payments by their last change, from just after `key`, oldest first."""
        # What changed since as_of stands further down the index than the reader may see it, so
        # its earlier versions are woven in where they belong.
        recent = (self.get(each, as_of) for _, each in self._by_update.from_time(as_of))
        earlier = sorted(
            (seen for seen in recent if seen is not None and key < update_key(seen)), key=update_key
        )
        keys = self._by_update.after(key)
        unchanged = takewhile(lambda found: found[0] < as_of, keys)
        return merge((self._payments[each] for _, each in unchanged), earlier, key=update_key)

    def _seen(self, keys: Iterable[Key], as_of: float) -> Iterator[Payment]:
        """Go through the payments with these keys that existed at `as_of`, as they were."""
        for _, payment_id in keys:
            if (payment := self.get(payment_id, as_of)) is not None:
                yield payment

    def _forget_past(self, until: float) -> None:
        """Drop what was replaced before `until`."""
        while self._changes and self._changes[0][0] < until:
            _, payment_id = self._changes.popleft()
            if past := self._past.get(payment_id):
                del past[0]
                if not past:
                    del self._past[payment_id]

    def _forget_oldest(self) -> None:
        """Drop the payments that were created first until no more than the limit are held."""
        while len(self._payments) > self.limit:
            key = self._by_creation.oldest()
            self._by_creation.remove(key)
            payment = self._payments.pop(key[1])
            self._by_update.remove(update_key(payment))
            self._past.pop(payment.id, None)
            for charge in payment.charges:
                self._owners.pop(charge.id, None)


def creation_key(payment: Payment) -> Key:
    """Return the payment's place among those by creation."""
    return payment.created_at, payment.id


def update_key(payment: Payment) -> Key:
    """Return the payment's place among those by last change."""
    return payment.updated_at, payment.id
