"""The refusals of the simulated provider, each with the body that Stripe would send."""

from coordinator.errors import CoordinatorError


class SimulatorError(CoordinatorError):
    """The simulator was asked for something that it cannot do."""


class StripeError(SimulatorError):
    """The simulated provider refuses the request."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        charge: str | None = None,
    ) -> None:
        """Take the HTTP `status`, Stripe's error type (`kind`) and what else its body says."""
        super().__init__(message, permanent=status < 500 and status != 429)
        self.status = status
        fields = {
            "charge": charge,
            "code": code,
            "decline_code": decline_code,
            "doc_url": code and f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
            "message": message,
            "param": param,
            "type": kind,
        }
        #: What stands under "error" in the answer; a declined card adds its PaymentIntent.
        self.body: dict[str, object] = {name: value for name, value in fields.items() if value}

    @property
    def code(self) -> str:
        """Return Stripe's error code, or "" if this refusal has none."""
        return str(self.body.get("code", ""))


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeError:
    """Return the 400 for a request that can't be right, whatever the payment's state."""
    return StripeError(400, "invalid_request_error", message, param=param, code=code)


def missing(what: str, identifier: str, param: str) -> StripeError:
    """Return the 404 for an object that isn't kept, such as `what` "payment_intent"."""
    return StripeError(
        404,
        "invalid_request_error",
        f"No such {what}: '{identifier}'",
        code="resource_missing",
        param=param,
    )
