"""What can go wrong between us and upstream; each says whether trying again can help.

``postponed`` marks the errors that say nothing about the payment that was asked for: upstream was
not asked, or asked everybody to wait. Whoever counts attempts doesn't count these.
"""

from typing import ClassVar

from coordinator.errors import CoordinatorError


class UpstreamError(CoordinatorError):
    """Upstream could not be asked, or did not answer as it should."""

    #: True where the same call would have failed for any payment, before upstream looked at it.
    postponed: ClassVar[bool] = False


class UpstreamTimeout(UpstreamError):
    """Upstream did not answer in time."""


class UpstreamUnavailable(UpstreamError):
    """Upstream could not be reached, broke off, or answered that it has a problem (5xx)."""


class UpstreamRateLimited(UpstreamError):
    """Upstream asked us to slow down (429)."""

    postponed = True


class UpstreamBudgetSpent(UpstreamError):
    """Our own budget for upstream is spent for the moment, so it was not asked."""

    postponed = True


class UpstreamCircuitOpen(UpstreamError):
    """Upstream failed several times in a row, so it is not asked until it has had a rest."""

    postponed = True


class UpstreamRejected(UpstreamError):
    """Upstream understood the request and refused it (4xx)."""

    permanent = True


class UpstreamUnauthorized(UpstreamRejected):
    """Upstream refused our credentials (401, 403).

    Not permanent: the payment is fine, and asking again helps as soon as the key is put right.
    """

    permanent = False
    postponed = True


class UpstreamNotFound(UpstreamRejected):
    """Upstream knows nothing by that name (404)."""


class UpstreamBadAnswer(UpstreamError):
    """Upstream answered with something that is not what was asked for."""

    permanent = True
