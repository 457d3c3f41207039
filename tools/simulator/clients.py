"""Who asks: the service that is being developed, or the shoppers that give it something to do.

A key tells them apart. The faults meet the service alone, since a shopper whose payment fails for
no reason is nothing that the service could answer for, and the two are counted apart.
"""

import binascii
import hmac
from base64 import b64decode
from enum import Enum

from msgspec import Struct

from tools.simulator.errors import StripeError

DEFAULT_SERVICE_KEY = "sk_test_insecure_development"
DEFAULT_SHOPPER_KEY = "sk_test_insecure_shoppers"


class Client(Enum):
    """The two kinds of client."""

    SERVICE = "service"
    SHOPPER = "shoppers"


class Keys(Struct, frozen=True):
    """The keys that the simulator takes."""

    service: str = DEFAULT_SERVICE_KEY
    shopper: str = DEFAULT_SHOPPER_KEY

    def identify(self, authorization: str | None) -> Client | StripeError:
        """Return whose key it is, from an Authorization header, or the refusal to answer with."""
        if not authorization:
            return _refusal("You did not provide an API key.")
        key = _key(authorization)
        for client, known in ((Client.SERVICE, self.service), (Client.SHOPPER, self.shopper)):
            if hmac.compare_digest(key.encode(), known.encode()):
                return client
        return _refusal(f"Invalid API Key provided: {key[:8]}{'*' * 8}")


def _key(authorization: str) -> str:
    """Return the key of a Bearer header, or of a Basic one that has it as the user's name."""
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            try:
                return b64decode(rest, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case _:
            return ""


def _refusal(message: str) -> StripeError:
    """Return Stripe's 401."""
    return StripeError(401, "invalid_request_error", message)
