"""Orders: what a customer bought, with its payments inside."""
