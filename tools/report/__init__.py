"""Shows what the product does: an oracle, measurements, a live table and a summary.

For `manage.py embedded`, and for whatever else runs traffic against the whole system. Nothing of
the product needs this package; it looks at it from outside, and through the hooks for metrics.
"""
