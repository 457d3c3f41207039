"""Simulated people who pay at the provider and look at their payments at our API.

    shoppers = Shoppers(simulator=url, api=url, credential=token_credential(secret), plan=Plan())
    summary = await shoppers.run(stop)

No Django in here: it drives servers, in this process or elsewhere.
"""

from tools.shoppers.crowd import Shoppers
from tools.shoppers.people import Credential, Person
from tools.shoppers.plan import Plan, Summary, Visits
from tools.shoppers.reading import Reading, ReadingOutcome
from tools.shoppers.tokens import token_credential

__all__ = [
    "Credential",
    "Person",
    "Plan",
    "Reading",
    "ReadingOutcome",
    "Shoppers",
    "Summary",
    "Visits",
    "token_credential",
]
