"""Values come back equal, and nothing else comes back at all."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.memcached.serde import BYTES, FOREIGN, INTEGER, JSON, TEXT, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(st.binary() | scalars | documents)
def test_a_value_comes_back_equal_and_of_the_same_type(value: object) -> None:
    back = decode(*encode(value))
    assert back == value
    assert type(back) is type(value)


def test_not_a_number_comes_back_as_itself() -> None:
    back = decode(*encode(float("nan")))
    assert isinstance(back, float)
    assert math.isnan(back)


@given(st.integers(0, 2**32 - 1) | st.sampled_from([TEXT, INTEGER, JSON]), st.binary())
def test_any_flags_and_bytes_are_a_value_or_foreign_and_never_an_error(
    flags: int, data: bytes
) -> None:
    value = decode(flags, data)
    if value is FOREIGN:
        return
    assert flags in {BYTES, TEXT, INTEGER, JSON}
    # What is not foreign is what we would have stored for it, give or take JSON's white space.
    assert decode(*encode(value)) == value or value != value


def test_the_stored_form_of_each_type_is_pinned() -> None:
    """A cache outlives a release: change these only with new flags."""
    assert encode(b"\x00b") == (0xC0D10000, b"\x00b")
    assert encode("ü") == (0xC0D20000, b"\xc3\xbc")
    assert encode(-17) == (0xC0D30000, b"-17")
    assert encode(None) == (0xC0D40000, b"null")
    assert encode(True) == (0xC0D40000, b"true")
    assert encode(1.5) == (0xC0D40000, b"1.5")
    assert encode([1, "ü"]) == (0xC0D40000, b'[1,"\\u00fc"]')
    assert encode({"a": {}}) == (0xC0D40000, b'{"a":{}}')


def test_no_flag_sets_a_bit_that_another_client_has_a_meaning_for() -> None:
    """Of pymemcache, python-memcached, pylibmc (the low byte) and PHP's (the low half)."""
    assert [flags & 0xFFFF for flags in (BYTES, TEXT, INTEGER, JSON)] == [0] * 4
    assert len({BYTES, TEXT, INTEGER, JSON}) == 4


def test_bytes_are_not_copied() -> None:
    payload = b"x" * 1_000
    assert encode(payload)[1] is payload
    assert decode(BYTES, payload) is payload


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        encode(endless)


def test_no_module_of_the_backends_imports_pickle() -> None:
    listing = (
        "import ast, pathlib, coordinator.memcached as backends\n"
        "for path in pathlib.Path(backends.__path__[0]).glob('*.py'):\n"
        "    for node in ast.walk(ast.parse(path.read_text())):\n"
        "        names = [a.name for a in getattr(node, 'names', []) if hasattr(a, 'name')]\n"
        "        print(*names, getattr(node, 'module', '') or '')\n"
    )
    imported = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "json" in imported
    assert not {"pickle", "marshal", "shelve", "dill", "pymemcache.serde"} & set(imported)
