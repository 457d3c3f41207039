"""How a value becomes bytes and flags, and back: never by pickle, in either direction.

bytes are stored as they are, text as UTF-8, an integer as decimal text (so that memcached's own
``incr`` works), and None, a bool, a float, a list or a dict as JSON. The flags say which, and that
it was stored here: a value with any other flags is FOREIGN, whatever its bytes look like.

The flags are part of the stored format. To change what one of them means, take a new number: an
older release that runs beside a newer one then sees a miss, and not another value.
"""

import json
from typing import Final, final

# The upper half marks a value as ours and says its kind. No client in use sets these bits.
# The lower half is zero, because clients test single bits of it and ignore the rest: pymemcache,
# python-memcached and pylibmc the lowest six (1 is a pickle, 8 is compressed), PHP's all sixteen.
# Such a client then reads our bytes as bytes, and neither executes nor inflates nor decodes them.
_OURS: Final = 0xC0D0_0000
BYTES: Final = _OURS | 1 << 16
TEXT: Final = _OURS | 2 << 16
INTEGER: Final = _OURS | 3 << 16
JSON: Final = _OURS | 4 << 16


@final
class Foreign:
    """Stands for a value that was not stored by these backends, or is damaged."""

    def __repr__(self) -> str:
        """Return the name under which it is imported."""
        return "FOREIGN"


FOREIGN: Final = Foreign()


def encode(value: object) -> tuple[int, bytes]:
    """Return the flags and the bytes to store for `value`.

    Raise TypeError for a value that would not come back equal and of the same type.
    """
    kind = type(value)
    if kind is bytes:
        return BYTES, value  # type: ignore[return-value]  # its type was just compared
    if kind is str:
        return TEXT, value.encode()  # type: ignore[attr-defined]  # its type was just compared
    if kind is int:
        return INTEGER, str(value).encode()
    _check_json(value)
    return JSON, json.dumps(value, separators=(",", ":")).encode()


def decode(flags: int, data: bytes) -> object:
    """Return the value that `encode` gave these flags and bytes for, or FOREIGN."""
    if flags == BYTES:
        return data
    try:
        if flags == TEXT:
            return data.decode()
        if flags == INTEGER:
            return _integer(data)
        if flags == JSON:
            return json.loads(data)
    except (ValueError, RecursionError):
        # Damaged, or truncated: UnicodeDecodeError and JSONDecodeError are ValueErrors.
        return FOREIGN
    return FOREIGN


def _integer(data: bytes) -> int:
    # memcached's decr pads with spaces when the number loses a digit. What int() would accept
    # beyond that (underscores, a plus sign) was not written here.
    text = data.rstrip(b" ")
    if not text.removeprefix(b"-").isdigit():
        raise ValueError("not a decimal number")
    return int(text)


def _check_json(value: object) -> None:
    """Raise TypeError unless `value` is, all the way down, what JSON gives back unchanged.

    Exact types: a subclass would come back as its base, a tuple as a list, a key 1 as "1".
    """
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is int or kind is str:
        return
    if kind is list:
        for member in value:  # type: ignore[attr-defined]  # its type was just compared
            _check_json(member)
    elif kind is dict:
        for name, member in value.items():  # type: ignore[attr-defined]  # as above
            if type(name) is not str:
                raise TypeError(
                    f"A dict in the cache needs str keys, not {type(name).__name__}: "
                    "JSON would change them. Convert the keys first."
                )
            _check_json(member)
    else:
        raise TypeError(
            f"The cache does not store {kind.__module__}.{kind.__qualname__}: it keeps no pickles. "
            "Give it bytes, str, int, bool, None, float, or a list or dict (with str keys) of the "
            "last six; encode anything else first, for instance with msgspec.json.encode()."
        )
