"""Health: whether this process lives, whether it should get traffic, and how what it needs is.

`bounded` runs a check in its own time; `checks` has the checks; `broker` knocks at the broker
without Celery; `warmth` measures how much of what is open is warm, and holds the gate for a new
release; `reporting` puts the answers together.
"""
