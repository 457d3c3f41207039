"""What a run says when it is up: where it answers, and how to ask it something."""

import shlex
from pathlib import Path

from tools.shoppers import Credential, Person
from tools.shoppers.people import FIRST_STAFF_ID

# No shopper, and no owner of a payment that the simulator made up.
_STRANGER = 8_000_001


def text(
    url: str,
    number: str,
    owner: str,
    credential: Credential,
    directory: Path,
    *,
    warm: bool,
    staff_link: str = "",
) -> str:
    """Return the lines to print: curl commands that work as they stand, while the run lasts.

    The credentials are put into `directory`, which is the run's own, for curl to read: a line with
    a token in it is longer than a screen is wide.
    """
    address = f"{url}/api/v1/payments/{number}/"
    state = "warm already" if warm else "cold, since nothing is warmed"

    def curl(name: str, person: Person) -> str:
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(f"Authorization: {credential(person)['Authorization']}\n")
        return f"curl -i -H {shlex.quote(f'@{path}')} {address}"

    return "\n".join(
        [
            f"Coordinator answers at {url} (API: {url}/api/docs/).",
            *([f"Its status page, for staff (works once): {staff_link}"] if staff_link else []),
            f"Payment {number} is there, and {state}. In another terminal:",
            "",
            "# its owner: 200, and Cache-Status says hit"
            if warm
            else "# its owner: 200; Cache-Status says fwd=miss at first, and hit from then on",
            curl("owner", Person(int(owner))),
            "# another user: 404, as if there were no such payment",
            curl("stranger", Person(_STRANGER)),
            "# staff: 200",
            curl("staff", Person(FIRST_STAFF_ID, is_staff=True)),
            "# an unsigned webhook: 400",
            f"curl -i -H 'Content-Type: application/json' -d '{{}}' {url}/webhooks/stripe/",
            "",
        ]
    )
