"""What a command draws on a terminal redraws in place, undisturbed by log lines."""

import io
import logging

from django.core.management.base import OutputWrapper

from coordinator.operations import terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_is_drawn_without_the_newlines_that_django_adds() -> None:
    stream = io.StringIO()
    out = terminal.console(OutputWrapper(stream))  # type: ignore[arg-type]  # as commands have it
    out.print("one", end="\r")
    out.print("two", end="")
    assert stream.getvalue() == "one\rtwo"


def test_log_lines_below_a_warning_wait_while_a_terminal_is_drawn_on() -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.setLevel(logging.INFO)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with terminal.undisturbed(terminal.console(Terminal())):
            assert handler.level == logging.WARNING
        assert handler.level == logging.INFO
        with terminal.undisturbed(terminal.console(io.StringIO())):
            assert handler.level == logging.INFO, "a file is nothing to disturb"
    finally:
        root.removeHandler(handler)
