"""Stripe's way of sending objects and lists in a query string or a form.

    metadata[payment_number]=EDX-1001&expand[0]=latest_charge&created[gte]=1700000000

Values stay text until an endpoint asks for something else; what it can't be is Stripe's 400.
"""

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from tools.simulator.errors import StripeError, invalid

#: Text, or objects of text within objects; a list is an object whose names are its places.
Form = dict[str, "str | Form"]

_MAX_FIELDS = 200
_MAX_DEPTH = 5
_NAME = re.compile(r"(?P<first>[^\[\]]+)(?P<rest>(?:\[[^\[\]]*\])*)")


def parse_form(text: str) -> Form:
    """Return the fields of a query string or form; raise Stripe's 400 for a malformed one."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise invalid("Invalid form: too many fields.") from error
    form: Form = {}
    for name, value in pairs:
        if (match := _NAME.fullmatch(name)) is None:
            raise invalid(f"Invalid name: {name}", param=name)
        path = [match["first"], *re.findall(r"\[([^\[\]]*)\]", match["rest"])]
        if len(path) > _MAX_DEPTH:
            raise invalid(f"Invalid name: {name}", param=name)
        _put(form, path, value, name)
    return form


def check_names(form: Form, known: Collection[str]) -> None:
    """Raise Stripe's 400 if the form has a field that the endpoint does not know."""
    for name in form:
        if name not in known:
            raise invalid(
                f"Received unknown parameter: {name} (as far as the simulator knows)",
                param=name,
                code="parameter_unknown",
            )


def get_text(form: Form, name: str) -> str | None:
    """Return the field's text, None if it isn't there."""
    value = form.get(name)
    if isinstance(value, dict):
        raise invalid(f"Invalid string: {name} is an object", param=name)
    return value


def require_text(form: Form, name: str) -> str:
    """Return the field's text, or raise Stripe's 400 for one that is missing or empty."""
    if not (value := get_text(form, name)):
        raise _missing_parameter(name)
    return value


def get_integer(
    form: Form, name: str, *, at_least: int | None = None, at_most: int | None = None
) -> int | None:
    """Return the field as an integer within bounds, None if it isn't there."""
    if (text := get_text(form, name)) is None:
        return None
    if re.fullmatch(r"-?[0-9]{1,15}", text) is None:
        raise invalid(f"Invalid integer: {text}", param=name, code="parameter_invalid_integer")
    value = int(text)
    if at_least is not None and value < at_least:
        message = f"This value must be greater than or equal to {at_least}."
        raise invalid(message, param=name, code="parameter_invalid_integer")
    if at_most is not None and value > at_most:
        raise invalid(f"This value must be less than or equal to {at_most}.", param=name)
    return value


def get_boolean(form: Form, name: str) -> bool:
    """Return the field as a boolean, False if it isn't there."""
    match get_text(form, name):
        case None | "false":
            return False
        case "true":
            return True
        case other:
            raise invalid(f"Invalid boolean: {other}", param=name)


def get_texts(form: Form, name: str) -> list[str]:
    """Return the texts of a list, in order; empty if it isn't there."""
    value = form.get(name, {})
    if isinstance(value, str) or not all(isinstance(each, str) for each in value.values()):
        raise invalid(f"Invalid array: {name}", param=name)
    return [str(each) for each in value.values()]


def get_metadata(form: Form) -> dict[str, str] | None:
    """Return the metadata, checked against Stripe's limits; None if there is none."""
    if (value := form.get("metadata")) is None:
        return None
    if value == "":
        return {}
    if isinstance(value, str):
        raise invalid("Invalid object: metadata", param="metadata")
    metadata = {name: text for name, text in value.items() if isinstance(text, str)}
    if len(metadata) != len(value) or len(metadata) > 50:
        raise invalid("Metadata must be at most 50 keys with text as values.", param="metadata")
    if any(len(name) > 40 or len(text) > 500 for name, text in metadata.items()):
        raise invalid("Metadata keys may have 40 characters, values 500.", param="metadata")
    return metadata


def _missing_parameter(name: str) -> StripeError:
    """Return Stripe's refusal of a request without a field that it needs."""
    return invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")


def _put(form: Form, path: list[str], value: str, name: str) -> None:
    """Set the field at `path`; an empty name is the next place of a list."""
    inner = form
    for step in path[:-1]:
        found = inner.setdefault(step or str(len(inner)), {})
        if isinstance(found, str):
            raise invalid(f"Invalid name: {name}", param=name)
        inner = found
    last = path[-1] or str(len(inner))
    if isinstance(inner.get(last), dict):
        raise invalid(f"Invalid name: {name}", param=name)
    inner[last] = value
