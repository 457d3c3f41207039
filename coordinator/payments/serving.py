"""What the core keeps of what a provider said: one function for what is loaded and what is carried.

What is served depends on nothing that only one of the two knows. So the number is the ledger's, and
so is the time of the newest change.
"""

from msgspec.structs import replace

from coordinator import Loaded, Standing
from coordinator.payments import payload
from coordinator.payments.providers.base import Found


def loaded(number: str, found: Found, standing: Standing) -> Loaded:
    """Return the entry's content for `found` at `standing`.

    The number is the ledger's: it does not change by an edit of the provider's metadata.
    """
    details = replace(found.details, number=number, updated_at=standing.occurred_at)
    return Loaded(
        payload=payload.encode(details),
        state=details.state,
        owner=details.lms_user_id,
        version=found.version,
        observation=found.observation,
    )
