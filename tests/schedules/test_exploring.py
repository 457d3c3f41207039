"""The schedules of every test run: some seconds of exploring, and a few broken rules."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schedules import broken, telling
from tests.schedules.world import World

SECONDS = 20
SEED = 20_270_301

ROOT = Path(__file__).parents[2]


def test_exploring_for_a_while_finds_no_violation() -> None:
    command = [sys.executable, "-m", "tests.schedules"]
    explored = subprocess.run(
        [*command, "--seconds", str(SECONDS), "--seed", str(SEED)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS * 10,
    )
    print(explored.stdout)
    assert explored.returncode == 0, explored.stdout + explored.stderr
    assert explored.stdout.startswith(f"seed {SEED}, ")
    last = explored.stdout.splitlines()[-1]
    counts = re.fullmatch(r"explored (\d+) schedules, (\d+) violations", last)
    assert counts is not None, last
    assert int(counts[1]) > 100, "hardly anything was explored"
    assert int(counts[2]) == 0


@pytest.mark.parametrize("name", broken.QUICK)
def test_a_broken_rule_is_caught(world: World, name: str) -> None:
    caught = broken.catch(world, broken.BY_NAME[name], most=500)
    assert caught.played is not None, f"{name}: nothing found in {caught.after} schedules"


def test_a_caught_schedule_plays_again_from_its_name(world: World) -> None:
    breach = broken.BY_NAME["no suspend"]
    caught = broken.catch(world, breach, most=500)
    assert caught.played is not None
    assert caught.scenario is not None
    name = telling.name_of(caught.scenario, caught.plan, caught.played.choices)
    with breach.committed():
        again = telling.replay(world, name)
    assert again.violations == caught.played.violations
    story = telling.story(name, again)
    assert "writer" in story
    assert "commit(changes, payments)" in story
    assert "VIOLATION  G1: reader asked for EDX-1" in story
    # With the rule in its place, the same order of steps breaks nothing.
    assert not telling.replay(world, name).violations


def test_a_random_schedule_plays_again_from_its_seed(world: World) -> None:
    first = telling.replay(world, telling.random_name(7))
    second = telling.replay(world, telling.random_name(7))
    assert telling.story("", first) == telling.story("", second)
    assert first.choices == second.choices


@pytest.mark.parametrize("name", ["", "nowhere:-:0x1", "one-of-each:-:", "random:seven"])
def test_a_name_of_nothing_is_refused(world: World, name: str) -> None:
    with pytest.raises(ValueError, match=r"names no schedule|invalid literal"):
        telling.replay(world, name)
