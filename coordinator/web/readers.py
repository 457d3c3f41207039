"""Who is asking: a user with a token from the LMS, or a member of staff.

A payment's owner is an LMS user id. A token says it in its ``user_id`` claim, and whether its
bearer is staff in ``administrator``; both are believed because the token is signed, and neither is
looked up. A session is for staff alone: it carries no LMS user id, so nobody owns anything by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError
from edx_rest_framework_extensions.auth.jwt.authentication import JwtAuthentication
from edx_rest_framework_extensions.permissions import NotJwtRestrictedApplication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.views import APIView

_CLAIMS = "_token_claims"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and what they may read. `account` is our own user's primary key, for the logs."""

    account: int
    lms_user_id: str
    is_staff: bool

    def may_read(self, owner: str) -> bool:
        """Return True if a payment of `owner` may be read; one of nobody's is for staff alone."""
        return self.is_staff or self.owns(owner)

    def owns(self, owner: str) -> bool:
        """Return True if `owner` is who asks. The empty owner is nobody, and nobody is it."""
        return self.lms_user_id != "" and owner == self.lms_user_id


class TokenAuthentication(JwtAuthentication):
    """Open edX's JWT authentication, which here also remembers what the token claims.

    Checking a signature costs more than the whole warm read: it is done once.
    """

    def authenticate_credentials(self, payload: Mapping[str, Any]) -> Any:
        """Return the user with the token's name; raise AuthenticationFailed if they are retired."""
        try:
            user = super().authenticate_credentials(payload)
        except AuthenticationFailed as error:
            if isinstance(error.__cause__, OperationalError | InterfaceError):
                # The token is good: to be told otherwise, a client would throw it away.
                raise error.__cause__ from None
            raise
        if not user.is_active:
            raise AuthenticationFailed
        setattr(user, _CLAIMS, payload)
        return user


class NotRestricted(NotJwtRestrictedApplication):
    """Refuses tokens of restricted applications, by the claims that are decoded already."""

    def has_permission(self, request: Request, _: APIView) -> bool:
        """Return False for a token whose ``is_restricted`` claim is true."""
        return not (_claims(request) or {}).get("is_restricted", False)


def reader_of(request: Request) -> Reader:
    """Return who asks, once they are authenticated."""
    user: Any = request.user
    claims = _claims(request)
    if claims is None:
        return Reader(account=user.pk, lms_user_id="", is_staff=user.is_staff)
    return Reader(
        account=user.pk,
        lms_user_id=_lms_user_id(claims.get("user_id")),
        is_staff=claims.get("administrator") is True,
    )


def _claims(request: Request) -> Mapping[str, Any] | None:
    return getattr(request.user, _CLAIMS, None)


def _lms_user_id(claim: object) -> str:
    """Return the claim as the text that the ledger holds; anything but an id is nobody's."""
    if isinstance(claim, bool):
        return ""
    return str(claim) if isinstance(claim, (int, str)) else ""
