"""The closed set of states that an order can be in.

The order service names them; payments make none of them. *Terminal* means at rest: no step is under
way whose end anybody waits for.
"""

from typing import Final

from coordinator import State, StateTable

TABLE: Final = StateTable(
    State("pending", rank=10, terminal=False),
    State("confirmed", rank=20, terminal=False),
    State("fulfilled", rank=30, terminal=True),
    State("canceled", rank=40, terminal=True),
)

#: The states in which readers look most often, asked for together with the pointer.
LIKELY_STATES: Final = ("confirmed", "fulfilled", "pending")
