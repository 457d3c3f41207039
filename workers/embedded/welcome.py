"""What a run says when it is up: where it answers, and how to ask it something."""

from coordinator.simulator.shoppers import Credential, Person
from coordinator.simulator.shoppers.people import FIRST_STAFF_ID

# No shopper, and no owner of a payment that the simulator made up.
_STRANGER = 8_000_001


def text(url: str, number: str, owner: str, credential: Credential, *, warm: bool) -> str:
    """Return the lines to print: curl commands that work as they stand, for a day."""
    address = f"{url}/api/v1/payments/{number}/"
    state = "warm already" if warm else "cold, since nothing is warmed"

    def curl(person: Person) -> str:
        return f"curl -i -H 'Authorization: {credential(person)['Authorization']}' {address}"

    return "\n".join(
        [
            f"Coordinator answers at {url} (API: {url}/api/docs/).",
            f"Payment {number} is there, and {state}. In another terminal:",
            "",
            "# its owner: 200, and Cache-Status says hit"
            if warm
            else "# its owner: 200; Cache-Status says fwd=miss at first, and hit from then on",
            curl(Person(int(owner))),
            "# somebody else: 404, as if there were no such payment",
            curl(Person(_STRANGER)),
            "# staff: 200",
            curl(Person(FIRST_STAFF_ID, is_staff=True)),
            "# a webhook that nobody signed: 400",
            f"curl -i -H 'Content-Type: application/json' -d '{{}}' {url}/webhooks/stripe/",
            "",
        ]
    )
