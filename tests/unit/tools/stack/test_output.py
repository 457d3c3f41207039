from pathlib import Path

import pytest

from tools.stack.output import Output


def test_errors_are_found_however_they_are_logged(tmp_path: Path) -> None:
    (tmp_path / "web.1.log").write_text(
        "2026-01-01T00:00:00.000Z INFO coordinator fine.thing\n"
        "2026-01-01T00:00:00.000Z ERROR coordinator bad.thing what=ERROR\n"
        "[ERROR] Worker crash loop detected, exiting\n"
        "2026-01-01T00:00:00.000Z INFO coordinator says what=ERROR\n"
    )
    (tmp_path / "worker.1.log").write_text("2026-01-01T00:00:00.000Z CRITICAL x y\n")

    found = [(name, line.split()[-1]) for name, line in Output(tmp_path, printed=False).errors()]

    assert found == [("web.1", "what=ERROR"), ("web.1", "exiting"), ("worker.1", "y")]


def test_last_words_are_the_last_lines(tmp_path: Path) -> None:
    (tmp_path / "beat.1.log").write_text("".join(f"line {number}\n" for number in range(1000)))
    output = Output(tmp_path, printed=False)

    assert output.last_words("beat.1").splitlines()[-2:] == ["line 998", "line 999"]
    assert output.last_words("never.1") == ""


def test_a_line_is_printed_with_its_programs_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(tmp_path, printed=True)
    output.expect(["web.1", "worker.10"])

    output.say("web.1", "listening")

    assert capsys.readouterr().out.endswith("web.1     | listening\n")
