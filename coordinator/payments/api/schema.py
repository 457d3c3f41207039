"""What the OpenAPI document says of each address, from the same structures that are served.

msgspec derives the JSON Schemas of the payload; drf-spectacular puts the document together.
"""

from typing import Any, Final

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from coordinator import IDENTIFIER_MAX_LENGTH, IDENTIFIER_PATTERN
from coordinator.payments.api.history import PaymentEvents
from coordinator.payments.payload import PaymentDetails
from coordinator.web.problems import CONTENT_TYPE

_REFERENCE = "#/components/schemas/{name}"
_JSON = "application/json"


class Payments(msgspec.Struct, frozen=True, kw_only=True):
    """Those of the payments asked for that are the caller's, by number.

    `unavailable` names the ones that could not be read right now.
    """

    payments: dict[str, PaymentDetails]
    unavailable: list[str]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""


def add_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the structures to the document: a postprocessing hook of drf-spectacular."""
    components = msgspec.json.schema_components(
        [PaymentDetails, PaymentEvents, Payments, Problem], ref_template=_REFERENCE
    )[1]
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    return result


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped hook
    """Says how the token is sent."""

    target_class = "coordinator.web.readers.TokenAuthentication"
    name = "token"

    def get_security_definition(self, _: Any) -> dict[str, Any]:
        """Return the scheme: a header of its own form, so not plain ``http bearer``."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "An Open edX token: `JWT <token>`.",
        }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=name)}


def _errors(*statuses: int) -> dict[tuple[int, str], Any]:
    # 400: a request that the server before the application, or Django itself, can't make sense of.
    common = (400, 401, 403, 404, 405, 406, 429, 502, 503)
    return {(status, CONTENT_TYPE): _reference("Problem") for status in (*common, *statuses)}


def _header(name: str, description: str, status: int = 200, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        schema or {"type": "string"},
        OpenApiParameter.HEADER,
        response=[status],
        description=description,
    )


_ETAG = _header("ETag", "Changes with the content.")
_CACHE_STATUS = _header("Cache-Status", "RFC 9211: hit or miss, time left, the entry's name.")
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="ETags that the caller has; 304 if one is still right.",
)
_NUMBER = OpenApiParameter(
    "number",
    {"type": "string", "pattern": f"^{IDENTIFIER_PATTERN}$", "maxLength": IDENTIFIER_MAX_LENGTH},
    OpenApiParameter.PATH,
    description="Our own number of the payment, like EDX-1001.",
)

ONE: Final[dict[str, Any]] = {
    "operation_id": "payment",
    "summary": "One payment",
    "tags": ["payments"],
    "parameters": [
        _NUMBER,
        _IF_NONE_MATCH,
        _ETAG,
        _CACHE_STATUS,
        _header("Age", "Seconds since it was read from the provider.", type="integer", minimum=0),
        _header("Payment-Revision", "The ledger's revision.", type="integer", minimum=1),
    ],
    "responses": {(200, _JSON): _reference("PaymentDetails"), 304: None, **_errors()},
}

MANY: Final[dict[str, Any]] = {
    "operation_id": "payments",
    "summary": "Several payments at once",
    "description": "Numbers that don't exist or aren't the caller's are simply absent.",
    "tags": ["payments"],
    "parameters": [
        OpenApiParameter(
            "numbers",
            {
                "type": "array",
                # Anything may be asked for; what can't be a number doesn't exist.
                "items": {"type": "string", "pattern": "^[^,]+$"},
                "minItems": 1,
                "maxItems": 100,
            },
            OpenApiParameter.QUERY,
            required=True,
            explode=False,
            style="form",
            description="Up to 100 numbers, separated by commas.",
        ),
        _IF_NONE_MATCH,
        _ETAG,
        _CACHE_STATUS,
    ],
    "responses": {(200, _JSON): _reference("Payments"), 304: None, **_errors()},
}

EVENTS: Final[dict[str, Any]] = {
    "operation_id": "payment_events",
    "summary": "How a payment's state came about",
    "description": "Newest first. Late arrivals, which changed nothing, stand with their reason "
    "beside the revision that they came to, and are not counted by `limit`.",
    "tags": ["payments"],
    "parameters": [
        _NUMBER,
        OpenApiParameter(
            "before",
            {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
            OpenApiParameter.QUERY,
            description="Only revisions below this one: `next_before` of the page before.",
        ),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
            OpenApiParameter.QUERY,
        ),
        _IF_NONE_MATCH,
        _ETAG,
    ],
    "responses": {(200, _JSON): _reference("PaymentEvents"), 304: None, **_errors()},
}
