"""Where what the programs print goes: a file each, and the terminal, with their names before it.

On the terminal as honcho does it: the time, the program's name in a colour of its own, the line.
"""

import os
import re
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from honcho.colour import get_colours
from honcho.printer import Message, Printer

# What our formatter writes: time, level, logger, event. Celery and granian log through it, or with
# the level in brackets.
_ERROR = re.compile(r"(?:\S+ |\[)(?:ERROR|CRITICAL)\b")
_LAST_LINES = 15
_TAIL_BYTES = 8192


class Output:
    """The output of all programs of a run, below `directory`; on the terminal too if `printed`."""

    def __init__(self, directory: Path, *, printed: bool) -> None:
        self._directory = directory
        self._printed = printed
        self._colours: dict[str, str] = {}
        self._palette = get_colours()
        self._printer = Printer(sys.stdout)
        self._lock = threading.Lock()

    def expect(self, names: list[str]) -> None:
        """Make room for the longest of these names, and give each its colour."""
        self._printer.width = max(map(len, names), default=0)
        for name in names:
            self._colours[name] = next(self._palette)

    def path(self, name: str) -> Path:
        """Return the file that holds what `name` has printed."""
        return self._directory / f"{name}.log"

    @property
    def printed(self) -> bool:
        """Return True if lines are to be pumped to the terminal."""
        return self._printed

    def pump(self, name: str, pipe: IO[bytes]) -> threading.Thread:
        """Print what comes from `pipe` until it ends, and keep it, on a thread of its own."""
        thread = threading.Thread(target=self._pump, args=(name, pipe), name=f"pump-{name}")
        thread.start()
        return thread

    def say(self, name: str, line: str) -> None:
        """Print a line of a program."""
        now = datetime.now().astimezone()
        with self._lock:
            self._printer.write(Message("line", line, now, name, self._colours.get(name)))

    def tail(self, name: str) -> list[str]:
        """Return the last lines that a program has printed; the last may not be complete yet."""
        try:
            with self.path(name).open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        except FileNotFoundError:
            return []

    def last_words(self, name: str) -> str:
        """Return the last lines that a program has printed, as one text."""
        return "\n".join(self.tail(name))

    def errors(self) -> Iterator[tuple[str, str]]:
        """Yield every line that a program logged as an error, with the program's name."""
        for path in sorted(self._directory.glob("*.log")):
            with path.open(errors="replace") as lines:
                for line in lines:
                    if _ERROR.match(line):
                        yield path.stem, line.rstrip()

    def _pump(self, name: str, pipe: IO[bytes]) -> None:
        with pipe, self.path(name).open("ab", buffering=0) as file:
            for line in pipe:
                file.write(line)
                self.say(name, line.decode(errors="replace"))
