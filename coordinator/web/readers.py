"""Who is asking: a user with a token from the LMS, or a member of staff.

A payment's owner is an LMS user id. A token says it in its ``user_id`` claim, and whether its
bearer is staff in ``administrator``; both are believed because the token is signed, and neither is
looked up. A session is for staff alone: it carries no LMS user id, so no payment is owned by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError
from edx_rest_framework_extensions.auth.jwt.authentication import JwtAuthentication
from edx_rest_framework_extensions.permissions import NotJwtRestrictedApplication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.views import APIView

from coordinator.web import token_memory

_CLAIMS = "_token_claims"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and what they may read. `account` is our own user's primary key, for the logs."""

    account: int
    lms_user_id: str
    is_staff: bool

    def may_read(self, owner: str) -> bool:
        """Return True if a payment of `owner` may be read; without an owner, by staff alone."""
        return self.is_staff or self.owns(owner)

    def owns(self, owner: str) -> bool:
        """Return True if `owner` is who asks. The empty owner is no user, so never True for it."""
        return self.lms_user_id != "" and owner == self.lms_user_id


class TokenAuthentication(JwtAuthentication):
    """Open edX's JWT authentication, which remembers what a token claims.

    For the rest of the request, and for a short time beyond it: checking a signature and looking up
    its user costs many times what the warm read does.
    """

    def authenticate(self, request: Request) -> Any:
        """Return the user and the token, None without one; raise AuthenticationFailed."""
        token = sent_token(request.META)
        if not token:
            return super().authenticate(request)
        known = token_memory.recall(token)
        if known is not None:
            return known.user, token
        found = super().authenticate(request)
        if found is not None:
            token_memory.remember(token, found[0], getattr(found[0], _CLAIMS, {}))
        return found

    def authenticate_credentials(self, payload: Mapping[str, Any]) -> Any:
        """Return the user with the token's name; raise AuthenticationFailed if they are retired."""
        try:
            user = super().authenticate_credentials(payload)
        except AuthenticationFailed as error:
            if isinstance(error.__cause__, OperationalError | InterfaceError | InternalError):
                # The token is good: to be told otherwise, a client would throw it away. A new
                # user is written down, which a server that takes no writes refuses.
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
    return reader_by(user, claims)


def sent_token(meta: Mapping[str, Any]) -> str:
    """Return the token of a request's ``Authorization: JWT <token>`` header, "" without one."""
    header: str = meta.get("HTTP_AUTHORIZATION", "")
    return header[4:].strip() if header[:4].upper() == "JWT " else ""


def reader_by(user: Any, claims: Mapping[str, Any]) -> Reader:
    """Return who a verified token's bearer is."""
    return Reader(
        account=user.pk,
        lms_user_id=_lms_user_id(claims.get("user_id")),
        is_staff=claims.get("administrator") is True,
    )


def _claims(request: Request) -> Mapping[str, Any] | None:
    return getattr(request.user, _CLAIMS, None)


def _lms_user_id(claim: object) -> str:
    """Return the claim as the text that the ledger holds; empty for anything but an id."""
    if isinstance(claim, bool):
        return ""
    return str(claim) if isinstance(claim, (int, str)) else ""
