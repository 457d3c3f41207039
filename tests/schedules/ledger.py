"""The ledger under the scheduler: real SQLite in WAL mode, one Django connection for each actor.

Readers see what is committed while a writer is in its transaction, as they do on PostgreSQL; the
writer's lock covers the whole database, so whoever wants it is parked until it is free.
"""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models import Model

from coordinator.ledger.models import Change
from coordinator.orders.models import Order
from coordinator.payments.models import Payment
from tests.schedules.scheduler import Scheduler
from tests.schedules.steps import NOTHING, Lock, Step

PAYMENTS, ORDERS, CHANGES = "payments", "orders", "changes"
_TABLES: Mapping[str, type[Model]] = {PAYMENTS: Payment, ORDERS: Order, CHANGES: Change}

Row = tuple[object, ...]


class Logged(NamedTuple):
    """One event of the log: whether it was applied, and whether upstream is to confirm it."""

    number: str
    event_id: str
    applied: bool
    confirm: bool


_WORD = re.compile(r"\w+")
_WRITING = ("INSERT", "UPDATE", "DELETE")


def told_version(event_id: str) -> int | None:
    """Return which version the event of this id tells, None for what was observed."""
    return int(event_id.rsplit("-", 1)[1]) if event_id.startswith("evt-") else None


class LedgerConnection(DatabaseWrapper):
    """A connection that stops before each statement, and before each commit."""

    def __init__(self, settings: Mapping[str, Any], ledger: "Ledger") -> None:
        super().__init__(dict(settings), "default")
        self.ledger = ledger
        self.written: set[str] = set()
        #: The rows that this transaction has locked, where the database locks rows.
        self.locked: list[str] = []
        self.execute_wrappers.append(self._before)

    def bury(self) -> None:
        """End what a dead process had open, as the server does when it loses a client."""
        if self.connection is not None and self.connection.in_transaction:
            self.connection.rollback()
        self.written.clear()
        self.locked.clear()

    def _before(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: object,
        many: bool,
        context: Mapping[str, Any],
    ) -> Any:
        scheduler = self.ledger.scheduler
        step, tables = self.ledger.step_for(sql, inside=self.connection.in_transaction)
        scheduler.step(step)
        result = execute(sql, params, many, context)
        if tables:
            if self.connection.in_transaction:
                self.written |= tables
            else:
                self.ledger.committed(tables)
        return result

    def _commit(self) -> None:
        scheduler = self.ledger.scheduler
        scheduler.step(self.ledger.commit_step(frozenset(self.written)))
        super()._commit()  # type: ignore[misc]  # Django's, which its stubs leave out
        self.locked.clear()
        if self.written:
            self.ledger.committed(frozenset(self.written))
            self.written.clear()

    def _rollback(self) -> None:
        if self.connection is not None and self.connection.in_transaction:
            self.ledger.scheduler.step(Step("rollback", lock=Lock.GIVE))
        super()._rollback()  # type: ignore[misc]  # as above
        self.written.clear()
        self.locked.clear()


class Ledger:
    """The database of one exploring process; `after_commit` is told which tables changed."""

    def __init__(self, after_commit: Callable[[frozenset[str]], None]) -> None:
        self.scheduler: Scheduler
        self._after_commit = after_commit
        self._connections: list[LedgerConnection] = []
        self._steps: dict[tuple[str, bool], tuple[Step, frozenset[str]]] = {}
        self._commits: dict[frozenset[str], Step] = {}
        #: What every step of this scenario reads, like the time.
        self.everywhere: frozenset[str] = NOTHING
        # In memory where the system has such a place: a commit costs microseconds there.
        memory = Path("/dev/shm")  # a directory of our own is made in it
        self._directory = Path(
            tempfile.mkdtemp(prefix="schedules-", dir=memory if memory.is_dir() else None)
        )
        path = str(self._directory / "ledger.sqlite3")
        self._settings = {
            **connections.settings["default"],
            "NAME": path,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                # Nobody ever waits inside SQLite: the scheduler has parked them.
                "timeout": 0,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
            },
        }
        maker = DatabaseWrapper(dict(self._settings), "default")
        with maker.schema_editor() as editor:
            for model in _TABLES.values():
                editor.create_model(model)
        maker.close()
        #: The judge's own view of what is committed, and its way of putting things back.
        self.raw = sqlite3.connect(path, isolation_level=None)
        self.raw.execute("PRAGMA synchronous=OFF")

    def close(self) -> None:
        """Remove the database."""
        for connection in self._connections:
            connection.close()
        self.raw.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def connection(self, number: int) -> LedgerConnection:
        """Return the connection of this number: they outlive a schedule, and are never shared."""
        while number >= len(self._connections):
            connection = LedgerConnection(self._settings, self)
            connection.ensure_connection()
            self._connections.append(connection)
        return self._connections[number]

    # -- what happens in it ------------------------------------------------------------------------

    def step_for(self, sql: str, *, inside: bool) -> tuple[Step, frozenset[str]]:
        """Return the step that a statement is, and the tables that it writes."""
        known = self._steps.get((sql, inside))
        if known is None:
            known = self._steps[sql, inside] = self._step_for(sql, inside=inside)
        return known

    def _step_for(self, sql: str, *, inside: bool) -> tuple[Step, frozenset[str]]:
        verb = sql.split(None, 1)[0]
        if verb == "WITH":
            # What follows the queries that it names decides: claiming a page is an UPDATE.
            verb = next((word for word in _WRITING if f"{word} " in sql), "SELECT")
        # Django quotes the names of tables, and what is written by hand need not.
        words = set(_WORD.findall(sql))
        tables = frozenset(name for name, model in _TABLES.items() if model._meta.db_table in words)
        about = ", ".join(sorted(tables))
        if verb == "BEGIN":
            return Step("begin", lock=Lock.TAKE, reads=self.everywhere), NOTHING
        writes = tables if verb in _WRITING else NOTHING
        if inside:
            # Under the lock nobody else changes what it reads, and nobody sees what it writes.
            return Step(verb.lower(), f"{about}, in the transaction"), writes
        if writes:
            return Step(verb.lower(), about, self.everywhere, writes, Lock.PASS), writes
        return Step(verb.lower(), about, tables | self.everywhere), NOTHING

    def commit_step(self, written: frozenset[str]) -> Step:
        """Return the step that commits these tables."""
        step = self._commits.get(written)
        if step is None:
            about = ", ".join(sorted(written))
            step = Step("commit", about, self.everywhere, written, Lock.GIVE)
            self._commits[written] = step
        return step

    def committed(self, tables: frozenset[str]) -> None:
        """Tell who waits, and who judges."""
        self.scheduler.changed(*tables)
        self._after_commit(tables)

    def begin_scenario(self, everywhere: frozenset[str]) -> None:
        """Forget the steps of another scenario, whose every step read something else."""
        if everywhere != self.everywhere:
            self.everywhere = everywhere
            self._steps.clear()
            self._commits.clear()

    # -- between schedules -------------------------------------------------------------------------

    def rows(self) -> dict[str, list[Row]]:
        """Return everything that is committed."""
        return {
            model._meta.db_table: self.raw.execute(
                f'SELECT * FROM "{model._meta.db_table}"'
            ).fetchall()
            for model in _TABLES.values()
        }

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Put back what `rows` once returned."""
        self.raw.execute("BEGIN IMMEDIATE")
        for table, there in rows.items():
            self.raw.execute(f'DELETE FROM "{table}"')
            if there:
                marks = ", ".join("?" * len(there[0]))
                self.raw.executemany(f'INSERT INTO "{table}" VALUES ({marks})', there)
        self.raw.execute("COMMIT")

    def unsettled(self) -> list[Row]:
        """Return (identifier, revision, event, outcome, reason, next attempt) of what is open."""
        return self.raw.execute(
            f"SELECT identifier, revision, event_id, outcome, reason, next_attempt_at, attempts "
            f"FROM \"{Change._meta.db_table}\" WHERE outcome = '' OR confirmed_at IS NULL "
            f"ORDER BY next_attempt_at"
        ).fetchall()

    def logged(self) -> list[Logged]:
        """Return the whole log, in the order in which it was written."""
        rows = self.raw.execute(
            f"SELECT identifier, event_id, applied, confirm "
            f'FROM "{Change._meta.db_table}" ORDER BY id'
        ).fetchall()
        return [
            Logged(name, event, bool(applied), bool(asks)) for name, event, applied, asks in rows
        ]

    def told(self, number: str, revision: int) -> int | None:
        """Return the version whose event made this revision, None if a load observed it."""
        found = self.raw.execute(
            f'SELECT event_id FROM "{Change._meta.db_table}" '
            f"WHERE identifier = ? AND revision = ? AND applied",
            (number, revision),
        ).fetchone()
        return None if found is None else told_version(found[0])

    def columns(self, number: str) -> tuple[str, int, int, str]:
        """Return (state, received, refunded, dispute) of a payment."""
        found: tuple[str, int, int, str] = self.raw.execute(
            f"SELECT state, amount_received, amount_refunded, dispute "
            f'FROM "{Payment._meta.db_table}" WHERE number = ?',
            (number,),
        ).fetchone()
        return found

    def settled(self) -> list[tuple[str, int]]:
        """Return the newest settled revision of each payment."""
        found: list[tuple[str, int]] = self.raw.execute(
            f'SELECT identifier, MAX(revision) FROM "{Change._meta.db_table}" '
            f"WHERE applied AND outcome != '' AND confirmed_at IS NOT NULL GROUP BY identifier"
        ).fetchall()
        return found
