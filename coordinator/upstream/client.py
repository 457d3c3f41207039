"""Asks a slow service over HTTP: one call, bounded in time, with whatever retries fit into it.

Every attempt passes the breaker and takes a permit from the budget. What comes back is an Answer or
an UpstreamError; which attempts are repeated is told in ``retrying``. Nothing here logs a body, a
header or a query.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from coordinator import causes, correlation
from coordinator.upstream import breaker, budget, conf, events, refusals, retrying
from coordinator.upstream.answers import Answer
from coordinator.upstream.breaker import Result
from coordinator.upstream.deadlines import Deadline
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamBudgetSpent,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from coordinator.upstream.transport import Transport

logger = logging.getLogger(__name__)

# How long all callers are silent after a 429 that doesn't say.
_PAUSE_SECONDS = 1.0

#: Returns True if an answer that is not an error in itself (a 409, say) is worth another attempt.
AskAgain = Callable[[Answer], bool]


@dataclass(slots=True)
class _Call:
    """One call as it goes."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | str | None
    deadline: Deadline
    settings: conf.CallSettings
    cause: str
    attempts: int = 0
    status: int | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class UpstreamClient:
    """Sends requests to one base URL. Safe to use from several threads, and after a fork."""

    def __init__(self, base_url: str) -> None:
        """Take ``https://host[:port][/prefix]``; raise ValueError for anything else."""
        self._transport = Transport(base_url)
        self._prefix = urlsplit(base_url).path.rstrip("/")
        #: ``host:port``, as it appears in events, logs and keys.
        self.host = self._transport.host

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Return upstream's answer if it is a success (2xx); raise UpstreamError otherwise.

        404 and 410 are UpstreamNotFound, other refusals UpstreamRejected. `timeout_seconds` bounds
        the whole call; the default is COORDINATOR_UPSTREAM_TIMEOUT_SECONDS.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        answer = self.send(
            method, target, headers=headers, body=body, timeout_seconds=timeout_seconds
        )
        answer.check()
        return answer

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        timeout_seconds: float | None = None,
        ask_again: AskAgain | None = None,
    ) -> Answer:
        """Return upstream's answer also if it refused (3xx, 4xx); raise UpstreamError for the rest.

        `target` is the path and the query, ready to be sent.
        """
        settings = conf.call()
        call = _Call(
            method=method.upper(),
            target=self._prefix + target,
            headers=_with_correlation(headers or {}),
            body=body,
            deadline=Deadline(timeout_seconds or settings.timeout_seconds),
            settings=settings,
            cause=causes.current(),
        )
        try:
            answer = self._with_retries(call, ask_again)
        except UpstreamError as error:
            self._finished(call, error.reason)
            raise
        self._finished(call)
        return answer

    def close(self) -> None:
        """Close this process's idle connections."""
        self._transport.close()

    def _with_retries(self, call: _Call, ask_again: AskAgain | None) -> Answer:
        repeatable = retrying.repeatable(call.method, call.headers)
        failure: UpstreamError | None = None
        while True:
            answer: Answer | None = None
            before = call.attempts
            try:
                answer = self._attempt(call)
                if ask_again is None or not ask_again(answer):
                    return answer
                error: UpstreamError = UpstreamUnavailable(f"status {answer.status}")
            except UpstreamError as met:
                error = met
            if call.attempts == before:
                # Budget or breaker let nothing out: what the attempt before met tells more.
                raise failure or error
            failure = error
            if not (
                repeatable
                and retrying.worth_another(error)
                and call.attempts <= call.settings.retries
                and self._rest(call, error)
            ):
                if answer is not None:
                    return answer
                raise error

    def _rest(self, call: _Call, error: UpstreamError) -> bool:
        """Wait as long as it takes until the next attempt; return False at once if that's too long.

        Only a user is waited for when upstream asks for silence: other work comes back later, and
        holds no thread until then.
        """
        if error.retry_after_seconds is not None and not causes.somebody_waits(call.cause):
            return False
        seconds = retrying.delay_seconds(error, max(1, call.attempts))
        if seconds >= call.deadline.remaining():
            return False
        # Nothing that happens in this process could make upstream ready sooner.
        time.sleep(seconds)
        return True

    def _attempt(self, call: _Call) -> Answer:
        """Send the request once; return the answer unless it is a 5xx or 429."""
        with breaker.of(self.host).watching() as result:
            with budget.of(self.host).permit(call.cause, call.deadline):
                # What the deadline leaves of a read timeout may be too little for any upstream.
                fair = call.deadline.remaining() * 2 >= call.settings.read_timeout_seconds
                call.attempts += 1
                call.status = None
                try:
                    answer = self._transport.send(
                        call.method,
                        call.target,
                        call.headers,
                        call.body,
                        deadline=call.deadline,
                        settings=call.settings,
                    )
                except UpstreamUnavailable:
                    result.failed()
                    raise
                except UpstreamTimeout:
                    if fair:
                        result.failed()
                    raise
                except UpstreamBadAnswer:
                    result.answered()
                    raise
                except UpstreamBudgetSpent:
                    # No connection was free, so upstream has not seen it.
                    call.attempts -= 1
                    raise
            call.status = answer.status
            self._judge(answer, result)
            return answer

    def _judge(self, answer: Answer, result: Result) -> None:
        """Tell the breaker what the status means; raise for those that are upstream's trouble."""
        retry_after = retrying.retry_after_seconds(answer.headers)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            result.answered()
            wait = _PAUSE_SECONDS if retry_after is None else retry_after
            budget.of(self.host).pause(wait)
            raise UpstreamRateLimited(retry_after_seconds=wait)
        if answer.status == HTTPStatus.REQUEST_TIMEOUT:
            result.failed()
            raise UpstreamTimeout("status 408")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            result.failed()
            if retry_after is not None:
                budget.of(self.host).pause(retry_after)
            raise UpstreamUnavailable(f"status {answer.status}", retry_after_seconds=retry_after)
        result.answered()

    def _finished(self, call: _Call, error: str = "") -> None:
        fields = {
            "cause": call.cause,
            "method": call.method,
            "host": self.host,
            "path": call.target.partition("?")[0],
            "status": call.status,
            "milliseconds": round(call.seconds * 1000, 1),
            "attempts": call.attempts,
            "error": error,
        }
        if call.attempts:
            level = logging.WARNING if error else logging.INFO
            logger.log(level, "upstream.request_finished", extra=fields)
        else:
            refusals.note(self.host, call.cause, error)
        events.emit(
            events.RequestFinished(
                cause=call.cause,
                method=call.method,
                host=self.host,
                status=call.status,
                seconds=call.seconds,
                attempts=call.attempts,
                error=error,
            )
        )


@lru_cache(maxsize=64)
def client_for(base_url: str) -> UpstreamClient:
    """Return the client for `base_url`, always the same one, so that connections are reused."""
    return UpstreamClient(base_url)


def _with_correlation(headers: Mapping[str, str]) -> Mapping[str, str]:
    identifier = correlation.current()
    return {**headers, correlation.HEADER: identifier} if identifier else headers
