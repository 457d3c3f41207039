from django.db import models

from coordinator import Ledgered, State, StateTable


class Enrollment(Ledgered):
    resource_name = "enrollment"
    state_table = StateTable(
        State("PENDING", rank=1, terminal=False),
        State("ACTIVE", rank=2, terminal=False),
        State("REFUND REQUESTED", rank=3, terminal=False),
        State("ENDED", rank=4, terminal=True),
    )
    owner_column = "lms_user_id"
    lms_user_id = models.CharField(max_length=32)
