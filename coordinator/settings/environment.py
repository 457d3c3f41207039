"""How settings are read from the environment."""

from pathlib import Path

from environs import EnvValidationError, FileAwareEnv
from marshmallow.validate import Range

from coordinator.defaults import DEFAULTS

BASE_DIR = Path(__file__).resolve().parents[2]

# NAME_FILE may name a file that holds the value, as secrets are mounted; such files end in a line
# break that is no part of the secret.
env = FileAwareEnv(strip_whitespace=True)

POSITIVE = Range(min=0, min_inclusive=False)
NOT_NEGATIVE = Range(min=0)
FRACTION = Range(min=0, max=1)
PORT = Range(min=0, max=65_535)


def listed(name: str, default: list[str] | None = None) -> list[str]:
    """Return the setting `name` as the list of what its commas separate, without blanks."""
    return [part.strip() for part in env.list(name, default or []) if part.strip()]


# Where no default is given, the next five take the library's for that name.


def seconds(name: str, default: float | None = None) -> float:
    """Return the setting `name`, a time above 0 in seconds; raise EnvValidationError otherwise."""
    return env.float(name, DEFAULTS[name] if default is None else default, validate=POSITIVE)


def count(name: str, default: int | None = None) -> int:
    """Return the setting `name`, a whole number above 0; raise EnvValidationError otherwise."""
    return env.int(name, int(DEFAULTS[name]) if default is None else default, validate=POSITIVE)


def count_or_none(name: str, default: int | None = None) -> int:
    """Return the setting `name`, a whole number where 0 means none; raise EnvValidationError."""
    return env.int(name, int(DEFAULTS[name]) if default is None else default, validate=NOT_NEGATIVE)


def number_or_none(name: str, default: float | None = None) -> float:
    """Return the setting `name`, a number where 0 means none; raise EnvValidationError."""
    return env.float(name, DEFAULTS[name] if default is None else default, validate=NOT_NEGATIVE)


def fraction(name: str, default: float | None = None) -> float:
    """Return the setting `name`, from 0 to 1; raise EnvValidationError otherwise."""
    return env.float(name, DEFAULTS[name] if default is None else default, validate=FRACTION)


def fractions(name: str) -> dict[str, float]:
    """Return the setting `name`, like ``read=1.0,beat=0.5``; raise EnvValidationError otherwise."""
    try:
        found: dict[str, float] = env.dict(name, {}, subcast_values=float)
    except ValueError as error:
        # environs' own message for a part without "=" names neither setting nor part.
        raise _invalid(name, "It must look like read=1.0,beat=0.5.") from error
    if not all(0 <= value <= 1 for value in found.values()):
        raise _invalid(name, "Each must be from 0 to 1.")
    return found


def texts(name: str) -> dict[str, str]:
    """Return the setting `name`, a JSON object of texts; raise EnvValidationError otherwise."""
    found = env.json(name, {})
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise _invalid(name, "It must be a JSON object whose values are texts.")
    return found


def _invalid(name: str, why: str) -> EnvValidationError:
    return EnvValidationError(f'Environment variable "{name}" invalid: {why}', [why])
