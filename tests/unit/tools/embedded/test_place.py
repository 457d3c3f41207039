from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.embedded.place import NoPlace, own_directory

HOLDS_A_DIRECTORY = """
import sys
from pathlib import Path
from tools.embedded.place import own_directory
with own_directory(Path(sys.argv[1])) as path:
    print(path, flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that has a directory of its own, until it is killed or told to end."""

    def __init__(self, parent: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDS_A_DIRECTORY, str(parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.path = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self) -> None:
        self.process.communicate()


def test_the_directory_is_gone_with_all_that_is_in_it(tmp_path: Path) -> None:
    with own_directory(tmp_path / "var") as path:
        (path / "ledger.sqlite3").write_text("x")
        assert path.parent == tmp_path / "var"
    assert not list((tmp_path / "var").iterdir())


def test_it_is_gone_after_a_failure_as_well(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), own_directory(tmp_path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = Holder(tmp_path)
    killed.kill()
    assert killed.path.is_dir()
    with own_directory(tmp_path) as path:
        assert list(tmp_path.iterdir()) == [path]


def test_a_run_beside_this_one_keeps_its_directory(tmp_path: Path) -> None:
    other = Holder(tmp_path)
    with own_directory(tmp_path) as path:
        assert other.path.is_dir()
        assert other.path != path
    assert other.path.is_dir()
    other.end()
    assert not list(tmp_path.iterdir())


def test_nobody_elses_files_are_touched(tmp_path: Path) -> None:
    (tmp_path / "beat").write_text("x")
    with own_directory(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["beat"]


def test_without_a_place_to_write_to_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file, and no directory")
    with pytest.raises(NoPlace, match="var"), own_directory(tmp_path / "var"):
        pass
