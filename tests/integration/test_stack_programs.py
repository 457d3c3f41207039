"""Programs as real processes: their ends, their children, and who starts them again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tools.stack.output import Output
from tools.stack.program import Program
from tools.stack.supervisor import ProgramEnded, Supervisor

PATIENCE_SECONDS = 10.0
# A program with a child of its own, which ignores being asked to end.
STUBBORN_CHILD = """python3 -c '
import subprocess, sys
stubborn = "import signal, time; signal.signal(15, 1); print(1, flush=True); time.sleep(60)"
subprocess.run([sys.executable, "-c", stubborn])'"""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path, printed=False)


@pytest.fixture
def make(output: Output) -> Iterator[Callable[[str], Program]]:
    made: list[Program] = []

    def of(command: str) -> Program:
        made.append(Program(f"web.{len(made) + 1}", command, dict(os.environ), output))
        return made[-1]

    yield of
    for program in made:
        program.ask_to_end()
        program.finish()


def test_what_a_program_prints_is_kept(make: Callable[[str], Program]) -> None:
    program = make("echo hello")
    program.start()
    until(lambda: program.ended() is not None)

    assert program.ended() == 0
    assert program.tail() == ["hello"]


def test_nothing_of_a_program_is_left_when_it_has_finished(make: Callable[[str], Program]) -> None:
    program = make(STUBBORN_CHILD)
    program.start()
    until(lambda: program.tail() == ["1"])
    [child] = program.children()
    program.ask_to_end()
    program.finish()

    assert program.ended() is not None
    until(lambda: not psutil.pid_exists(child))


def test_a_killed_program_takes_its_children_along(make: Callable[[str], Program]) -> None:
    program = make(STUBBORN_CHILD)
    program.start()
    until(lambda: program.tail() == ["1"])
    [child] = program.children()
    program.kill()

    assert program.ended() == -9
    until(lambda: not psutil.pid_exists(child))


def test_a_paused_program_can_be_asked_to_end(make: Callable[[str], Program]) -> None:
    program = make("sleep 60")
    program.start()
    program.pause()
    until(lambda: psutil.Process(program.pid).status() == psutil.STATUS_STOPPED)
    program.ask_to_end()
    program.finish()

    assert program.ended() == -15


def test_a_supervisor_starts_again_what_has_ended(
    make: Callable[[str], Program], output: Output
) -> None:
    program = make("sleep 60")
    supervisor = Supervisor([program], output, restart_after_seconds=0.05)
    supervisor.start()
    first = program.pid
    program.kill()
    assert not supervisor.all_run()

    def back() -> bool:
        supervisor.look()
        return supervisor.all_run()

    until(back)
    assert program.pid != first
    supervisor.stop()


def test_without_restarts_the_end_of_one_is_everybodys(
    make: Callable[[str], Program], output: Output
) -> None:
    program = make("sh -c 'echo no such setting; exit 3'")
    supervisor = Supervisor([program], output, restart_after_seconds=None)
    supervisor.start()
    until(lambda: program.ended() is not None)

    with pytest.raises(ProgramEnded, match="status 3") as caught:
        supervisor.look()
    assert "no such setting" in str(caught.value)


def test_programs_are_found_by_their_line_of_the_procfile(output: Output) -> None:
    names = ("web.1", "worker.1", "worker.2")
    supervisor = Supervisor([Program(name, "true", {}, output) for name in names], output, None)

    assert [program.name for program in supervisor.of("worker")] == ["worker.1", "worker.2"]
