import re
from pathlib import Path

import pytest

from tools.report.provider import new_keys
from tools.stack import environment
from tools.stack.options import Options, Size
from tools.stack.output import Output
from tools.stack.procfile import PROCFILE, programs


def composed(tmp_path: Path, options: Options | None = None) -> dict[str, str]:
    return environment.compose(
        options or Options(),
        servers={"database": "postgres://a/b", "redis": "redis://127.0.0.1:1"},
        nodes=["127.0.0.1:2", "127.0.0.1:3"],
        ports=(4, 5),
        keys=new_keys(),
        directory=tmp_path,
    )


def test_secrets_are_made_for_each_run(tmp_path: Path) -> None:
    one, other = composed(tmp_path), composed(tmp_path)

    for name in (
        *("DJANGO_SECRET_KEY", "JWT_SECRET_KEY", "STRIPE_API_KEY"),
        *("STRIPE_WEBHOOK_SECRETS", "SIMULATOR_SHOPPER_KEY"),
    ):
        assert one[name] != other[name]
        assert "insecure" not in one[name]


def test_a_developers_shell_decides_neither_places_nor_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/precious")
    monkeypatch.setenv("DJANGO_SECRET_KEY_FILE", "/run/secrets/key")
    monkeypatch.setenv("COORDINATOR_ENTRY_TIMEOUT_SECONDS", "99")

    made = composed(tmp_path)

    assert made["DATABASE_URL"] == "postgres://a/b"
    assert "DJANGO_SECRET_KEY_FILE" not in made
    # What it says of anything else can be tried.
    assert made["COORDINATOR_ENTRY_TIMEOUT_SECONDS"] == "99"


def test_tuning_has_the_last_word(tmp_path: Path) -> None:
    made = composed(tmp_path, Options(tuning={"STRIPE_LIVEMODE": "true"}))

    assert made["STRIPE_LIVEMODE"] == "true"


def test_each_process_that_calls_upstream_has_its_share_of_the_budget(tmp_path: Path) -> None:
    made = composed(tmp_path, Options(size=Size(workers=3, web=2)))

    assert made["COORDINATOR_BUDGET_PROCESSES"] == "5"


def test_everything_that_the_procfile_asks_for_is_there(tmp_path: Path) -> None:
    asked = set(re.findall(r"\$\{(\w+)", PROCFILE.read_text())) - {"HONCHO_PROCESS_NAME"}

    assert asked <= set(composed(tmp_path))


def test_there_are_as_many_workers_as_wanted_and_one_of_the_others(tmp_path: Path) -> None:
    found = programs(3, composed(tmp_path), Output(tmp_path, printed=False))

    assert [program.name for program in found] == [
        *("web.1", "worker.1", "worker.2", "worker.3", "beat.1", "simulator.1"),
    ]
