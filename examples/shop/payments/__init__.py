"""Payments: each is shown on the page of its order."""
