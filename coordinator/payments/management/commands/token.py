"""``manage.py token 42``: a token to try the API with, where no LMS makes them."""

import time

import jwt
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Prints a token of an LMS user, signed with JWT_SECRET_KEY. Not in production."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", type=int, help="the LMS user id, which owns payments")
        parser.add_argument("--staff", action="store_true", help="may read every user's")
        parser.add_argument("--seconds", type=int, default=86_400, help="how long it counts")

    def handle(self, *, user_id: int, staff: bool, seconds: int, **_: object) -> str:
        issuer = settings.JWT_AUTH["JWT_ISSUERS"][0]
        if settings.COORDINATOR_PRODUCTION or not issuer["SECRET_KEY"]:
            raise CommandError("Tokens come from the identity service here.")
        now = int(time.time())
        return jwt.encode(
            {
                "aud": issuer["AUDIENCE"],
                "iss": issuer["ISSUER"],
                "iat": now,
                "exp": now + seconds,
                "preferred_username": f"{'staff' if staff else 'learner'}-{user_id}",
                "user_id": user_id,
                "administrator": staff,
                "scopes": [],
                "version": "1.2.0",
            },
            issuer["SECRET_KEY"],
            algorithm="HS256",
        )
