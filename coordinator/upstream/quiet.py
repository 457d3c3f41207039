"""Keeps the libraries' own log lines from telling what ours don't: queries, bodies, answers.

At DEBUG urllib3 logs each target with its query, and at INFO and DEBUG stripe logs targets, posted
fields and whole answers. Which level is on is an operator's choice; what a payment holds must not
be in the logs at any level. (``STRIPE_LOG`` in the environment makes stripe print to standard error
by itself: it is for a developer's test key, and nothing here can silence it.)
"""

import logging


class _NothingBelow(logging.Filter):
    """Drops a logger's own records below a level, whatever level it is set to."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._level


def keep_quiet() -> None:
    """Drop such records from now on. Doing it twice does no more."""
    for name, level in _FILTERS.items():
        logging.getLogger(name).addFilter(level)


_FILTERS = {
    "urllib3.connectionpool": _NothingBelow(logging.INFO),
    "stripe": _NothingBelow(logging.WARNING),
}
