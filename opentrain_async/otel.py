"""Traces and gauges for OpenTelemetry, made from a client's events. Needs the extra ``otel``.

Without an OpenTelemetry SDK it does nothing, silently, as OpenTelemetry's API does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ._base.text import SENTENCE, one_line
from ._version import __version__
from .errors import ConfigurationError, OpenTrainError
from .events import (
    AttemptFailed,
    AttemptRetried,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    PublishEnded,
    PublishStarted,
    QuotaCounted,
)
from .outcomes import OutcomeStatus
from .outcomes._answer_table import outcome_of, outcome_of_result
from .quota import QuotaSnapshot

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, TracerProvider

_DEFERRED = OutcomeStatus.DEFERRED.value
_CANCELLED = "cancelled"
_GAUGES: Mapping[str, str] = {
    "limit": "Publishes per window.",
    "used": "Publishes in the window.",
    "remaining": "Publishes that are left.",
}
"""Each by the name that it has in a `QuotaSnapshot`."""


class OpenTelemetry:
    """Tells OpenTelemetry what a client does: ``AsyncOpenTrain(on_event=OpenTelemetry())``. One serves many clients.

    - A span ``opentrain.publish`` for each publish of a draft, below what is the current span of its first caller, with
      ``opentrain.job_id``, ``opentrain.attempts`` and ``opentrain.outcome``, and an event for each retry.
    - A span of kind client for each attempt, as the semantic conventions for HTTP have it, with
      ``http.request.resend_count`` where it is a retry. The token is in none.
    - The gauges ``opentrain.quota.limit``, ``opentrain.quota.used`` and ``opentrain.quota.remaining``, each with
      ``opentrain.account`` and ``opentrain.service``, the service's origin, as of the last step on the ledger; the
      first and the last as soon as the limit is known.

    Args:
        tracer_provider: Whose tracer; `None`: the global provider's.
        meter_provider: Whose meter; `None`: the global provider's.

    Raises:
        ConfigurationError: The extra is missing.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise ConfigurationError("OpenTelemetry needs an extra: pip install 'opentrain_async[otel]'") from None
        self._trace = trace
        self._tracer = trace.get_tracer("opentrain_async", __version__, tracer_provider)
        meter = metrics.get_meter("opentrain_async", __version__, meter_provider)
        for name, description in _GAUGES.items():
            meter.create_observable_gauge(
                f"opentrain.quota.{name}", [partial(self._observed, name)], "{publish}", description
            )
        self._observation = metrics.Observation
        self._quotas: dict[tuple[str, str], QuotaSnapshot] = {}
        self._publishes: dict[int, Span] = {}
        self._attempts: dict[int, Span] = {}

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case PublishStarted():
                self._publish_started(event)
            case PublishEnded():
                self._publish_ended(event)
            case AttemptStarted():
                self._attempt_started(event)
            case AttemptSucceeded():
                self._attempt_ended(event, event.status)
            case AttemptFailed():
                self._attempt_ended(event, event.status, event.error)
            case AttemptRetried():
                self._attempt_retried(event)
            case QuotaCounted():
                self._quotas[event.account, event.service] = event.quota
            case _:
                pass

    def _publish_started(self, event: PublishStarted) -> None:
        attributes = {"opentrain.job_id": event.job_id}
        self._publishes[event.call] = self._tracer.start_span("opentrain.publish", attributes=attributes)

    def _publish_ended(self, event: PublishEnded) -> None:
        span = self._publishes.pop(event.call)
        span.set_attribute("opentrain.attempts", event.attempts)
        outcome = _outcome_of(event)
        span.set_attribute("opentrain.outcome", outcome)
        # Neither is an error: the time of the one has not come, and nobody wants the other any more.
        if event.error is not None and outcome not in {_DEFERRED, _CANCELLED}:
            self._fail(span, event.error)
        span.end()

    def _attempt_started(self, event: AttemptStarted) -> None:
        above = self._publishes.get(event.call)
        url = urlsplit(event.url)
        template = _template(url.path, event.job_id)
        span = self._tracer.start_span(
            f"{event.method} {template}",
            context=None if above is None else self._trace.set_span_in_context(above),
            kind=self._trace.SpanKind.CLIENT,
            attributes={
                "http.request.method": event.method,
                "server.address": url.hostname or "",
                "server.port": url.port or (443 if url.scheme == "https" else 80),
                "url.full": event.url,
                "url.template": template,
            },
        )
        if event.attempt > 1:
            span.set_attribute("http.request.resend_count", event.attempt - 1)
        self._attempts[event.call] = span

    def _attempt_ended(
        self, event: AttemptSucceeded | AttemptFailed, status: int | None, error: BaseException | None = None
    ) -> None:
        span = self._attempts.pop(event.call)
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if error is not None:
            self._fail(span, error, None if status is None or status < 400 else str(status))
        span.end()

    def _attempt_retried(self, event: AttemptRetried) -> None:
        above = self._publishes.get(event.call)
        if above is not None:
            above.add_event("retry", {"opentrain.attempt": event.attempt, "opentrain.delay": event.delay})

    def _observed(self, name: str, _options: CallbackOptions) -> Iterator[Observation]:
        """What is known of each account; a limit that is to be learned anew is not.

        Yields:
            The value of each account.
        """
        # A copy, since the reader has a thread of its own.
        for (account, service), quota in list(self._quotas.items()):
            value: int | None = getattr(quota, name)
            if value is not None:
                yield self._observation(value, {"opentrain.account": account, "opentrain.service": service})

    def _fail(self, span: Span, error: BaseException, kind: str | None = None) -> None:
        span.set_attribute("error.type", kind or type(error).__qualname__)
        span.set_status(self._trace.StatusCode.ERROR, one_line(error, SENTENCE))


def _outcome_of(event: PublishEnded) -> str:
    """As in a bulk run; *cancelled* is a publish that nobody wanted any more, such as one of a run that stopped."""
    if event.result is not None:
        return outcome_of_result(event.result).value
    return outcome_of(event.error).value if isinstance(event.error, OpenTrainError) else _CANCELLED


def _template(path: str, job_id: str | None) -> str:
    """The path with the id of the job left out; that is the second name below the API's."""
    above, _, below = path.partition("/v1/")
    names = below.split("/")
    if job_id is None or names[1:2] != [job_id]:
        return path
    return "/".join((above, "v1", names[0], "{jobId}", *names[2:]))
