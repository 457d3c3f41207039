"""What can go wrong between us and upstream; each says whether trying again can help.

Those with ``burns_attempt`` False say nothing about the payment that was asked for: upstream was
not asked, or asked all callers to wait, or would have refused us any payment.
"""

from coordinator.errors import CoordinatorError


class UpstreamError(CoordinatorError):
    """Upstream could not be asked, or did not answer as it should."""


class UpstreamTimeout(UpstreamError):
    """Upstream did not answer in time."""


class UpstreamUnavailable(UpstreamError):
    """Upstream could not be reached, broke off, or answered that it has a problem (5xx)."""


class UpstreamRateLimited(UpstreamError):
    """Upstream asked us to slow down (429)."""

    burns_attempt = False


class UpstreamBudgetSpent(UpstreamError):
    """Our own budget for upstream is spent for the moment, so it was not asked."""

    burns_attempt = False


class UpstreamCircuitOpen(UpstreamError):
    """Upstream failed several times in a row, so it is not asked until it has had a rest."""

    burns_attempt = False


class UpstreamRejected(UpstreamError):
    """Upstream understood the request and refused it (4xx)."""

    permanent = True


class UpstreamUnauthorized(UpstreamRejected):
    """Upstream refused our credentials (401, 403).

    Not permanent: the payment is fine, and asking again helps as soon as the key is put right.
    """

    permanent = False
    burns_attempt = False


class UpstreamNotFound(UpstreamRejected):
    """Upstream knows nothing by that name (404)."""


class UpstreamBadAnswer(UpstreamError):
    """Upstream answered with something that is not what was asked for.

    The detail says what is wrong with its form, like the name of a missing field; never a value.
    """

    permanent = True
    detail_is_safe = True
