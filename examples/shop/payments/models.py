from collections.abc import Iterator

from django.db import models

from coordinator import Ledgered, State, StateTable, Touch


class Payment(Ledgered):
    resource_name = "payment"
    state_table = StateTable(
        State("due", rank=1, terminal=False),
        State("paid", rank=2, terminal=True),
    )
    owner_column = "customer"
    customer = models.CharField(max_length=64)
    order = models.CharField(max_length=64)
    containers = ("order",)

    def shown_in(self) -> Iterator[Touch]:
        if self.order:
            yield Touch("order", self.order)
