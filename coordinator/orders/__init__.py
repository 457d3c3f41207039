"""The ledger of orders, which payments touch. Orders have no resource and no API yet."""
