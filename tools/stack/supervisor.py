"""Keeps the programs running: starts again what has ended, or tells that it has."""

import time
from collections.abc import Iterator, Sequence

from coordinator.errors import CoordinatorError
from tools.stack.output import Output
from tools.stack.program import Program


class ProgramEnded(CoordinatorError):
    """A program has ended that should run on."""


class Supervisor:
    """All programs of a run, in the order in which they are started.

    With `restart_after_seconds` one that has ended is started again so long after it was seen to
    have ended, as an orchestrator would; without it, its end ends all (as with honcho). Looks
    only when it is told to, in the thread that started them: the kernel ends them with that one.
    """

    def __init__(
        self, programs: Sequence[Program], output: Output, restart_after_seconds: float | None
    ) -> None:
        self.programs = list(programs)
        self._output = output
        self._restart_after = restart_after_seconds
        self._ended_at: dict[str, float] = {}

    def start(self) -> None:
        """Start them all."""
        for program in self.programs:
            program.start()

    def of(self, kind: str) -> list[Program]:
        """Return the programs of one line of the Procfile."""
        return [program for program in self.programs if program.name.split(".")[0] == kind]

    def look(self) -> None:
        """Start again what is due for it; raise ProgramEnded if nothing is ever started again."""
        now = time.monotonic()
        for program, status in self._ended():
            if self._restart_after is None:
                words = self._output.last_words(program.name)
                raise ProgramEnded(
                    f"{program.name}, with status {status}. Its last words:\n{words}"
                )
            if now >= self._ended_at.setdefault(program.name, now) + self._restart_after:
                del self._ended_at[program.name]
                program.start()

    def all_run(self) -> bool:
        """Return True if every program's process is there."""
        return not any(self._ended())

    def stop(self) -> None:
        """End them all at once, and return when all have ended."""
        for program in self.programs:
            program.ask_to_end()
        for program in self.programs:
            program.finish()

    def _ended(self) -> Iterator[tuple[Program, int]]:
        for program in self.programs:
            status = program.ended()
            if status is not None:
                yield program, status
