"""Reads the Procfile, and makes of it the programs of a run: several workers, one of the others."""

from collections.abc import Mapping

from honcho.environ import expand_processes, parse_procfile

from tools import ROOT
from tools.stack.output import Output
from tools.stack.program import Program

PROCFILE = ROOT / "Procfile"


def programs(workers: int, environment: Mapping[str, str], output: Output) -> list[Program]:
    """Return the programs that the Procfile names, ready to be started: worker.1, worker.2, ..."""
    lines = parse_procfile(PROCFILE.read_text()).processes
    expanded = expand_processes(lines, concurrency={"worker": workers})
    output.expect([one.name for one in expanded])
    return [Program(one.name, one.cmd, {**environment, **one.env}, output) for one in expanded]
