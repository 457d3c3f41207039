"""Who there is: shoppers with their own payments, and staff who may look at all of them."""

from collections.abc import Callable, Mapping

from msgspec import Struct


class Person(Struct, frozen=True):
    """A user who reads payments, by LMS user id."""

    lms_user_id: int
    is_staff: bool = False


#: Returns the headers that a person's requests to our API carry. Called for every request.
Credential = Callable[[Person], Mapping[str, str]]

#: Staff have user ids from here on, so that no shopper is among them.
FIRST_STAFF_ID = 9_000_001
