from django.db import models

from coordinator import Ledgered, State, StateTable


class Order(Ledgered):
    resource_name = "order"
    state_table = StateTable(
        State("placed", rank=1, terminal=False),
        State("packed", rank=2, terminal=False),
        State("shipped", rank=3, terminal=True),
    )
    owner_column = "customer"
    customer = models.CharField(max_length=64)
