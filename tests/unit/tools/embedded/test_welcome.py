"""What a run says when it is up."""

import shlex
from pathlib import Path

import pytest

from tools.embedded import welcome
from tools.shoppers import Person


def credential(person: Person) -> dict[str, str]:
    """Vouch for a person with a token as long as a real one."""
    return {
        "Authorization": f"JWT {'staff' if person.is_staff else person.lms_user_id}.{'x' * 500}"
    }


def curls(directory: Path, *, warm: bool = True) -> list[str]:
    """Return the commands that a run with this directory prints."""
    said = welcome.text("http://127.0.0.1:8000", "EDX-1", "42", credential, directory, warm=warm)
    return [line for line in said.splitlines() if line.startswith("curl ")]


def header_file(curl: str) -> Path:
    """Return the file that a command has curl read its header from, as a shell understands it."""
    words = shlex.split(curl)
    header = words[words.index("-H") + 1]
    assert header.startswith("@")
    return Path(header[1:])


def test_each_command_finds_the_credential_of_its_person(tmp_path: Path) -> None:
    *asking, webhook = curls(tmp_path)
    headers = [header_file(curl).read_text() for curl in asking]
    assert [header.partition(".")[0] for header in headers] == [
        "Authorization: JWT 42",
        "Authorization: JWT 8000001",
        "Authorization: JWT staff",
    ]
    assert all(header.endswith("x\n") for header in headers)
    assert webhook.endswith("http://127.0.0.1:8000/webhooks/stripe/")


def test_no_command_contains_a_token(tmp_path: Path) -> None:
    assert not [curl for curl in curls(tmp_path) if "JWT" in curl or "x" * 100 in curl]


def test_nobody_else_may_read_the_credentials(tmp_path: Path) -> None:
    for curl in curls(tmp_path)[:3]:
        assert header_file(curl).stat().st_mode & 0o077 == 0


def test_a_directory_whose_name_has_spaces_survives_the_shell(tmp_path: Path) -> None:
    directory = tmp_path / "it's my own"
    directory.mkdir()
    assert header_file(curls(directory)[0]).parent == directory


@pytest.mark.parametrize("warm", [True, False])
def test_it_says_whether_the_first_read_is_a_hit(tmp_path: Path, warm: bool) -> None:
    said = welcome.text("http://x", "EDX-1", "42", credential, tmp_path, warm=warm)
    assert ("warm already" in said) == warm
    assert ("fwd=miss" in said) != warm


def test_it_tells_the_link_for_staff_where_there_is_one(tmp_path: Path) -> None:
    link = "http://x/enter/secret/"
    with_it = welcome.text(
        "http://x", "EDX-1", "42", credential, tmp_path, warm=True, staff_link=link
    )
    assert f"Its status page, for staff (works once): {link}\n" in with_it
    without = welcome.text("http://x", "EDX-1", "42", credential, tmp_path, warm=True)
    assert "status page" not in without
