"""Payments: states, model, resource, providers, views and webhooks."""
