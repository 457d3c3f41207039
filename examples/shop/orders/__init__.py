"""Orders: the shop knows their states, the fulfilment service their details."""
