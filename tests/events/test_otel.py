"""What OpenTelemetry is told, by its own SDK."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from opentrain_async import AsyncOpenTrain, RetryPolicy
from opentrain_async.errors import ConfigurationError, OpenTrainError
from opentrain_async.events import AttemptStarted, AttemptSucceeded, Event, PublishEnded, RunHeld
from opentrain_async.otel import OpenTelemetry
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.outages import Service, ids, status
from ..support.peers import AT_ONCE, ONCE, client_of, peer
from ..support.stores import accept_one
from ..support.virtual import GatedClock
from ..support.waiting import until


class Telemetry:
    """What has been told so far."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.listener = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def spans(self, kind: SpanKind) -> list[ReadableSpan]:
        """The spans of that kind that have ended."""
        return [span for span in self.exporter.get_finished_spans() if span.kind is kind]

    def gauges(self) -> dict[tuple[str, object], object]:
        """The last value of each gauge of each account."""
        return {(name, attributes["opentrain.account"]): value for name, attributes, value in self._points()}

    def used(self) -> dict[object, object]:
        """How many slots are used at each service."""
        return {attributes["opentrain.service"]: value for name, attributes, value in self._points() if name == "used"}

    def _points(self) -> Iterator[tuple[str, Mapping[str, object], object]]:
        data = self.reader.get_metrics_data()
        for metric in [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics:
            for point in metric.data.data_points:
                if isinstance(point, NumberDataPoint):
                    yield metric.name.removeprefix("opentrain.quota."), point.attributes or {}, point.value


@pytest.fixture
def telemetry() -> Telemetry:
    """OpenTelemetry, set up for one test."""
    return Telemetry()


async def test_a_publish_is_a_span_with_one_below_it_for_each_request(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """The second says that it is a retry; the first that it failed, and how."""
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, status=503)
    client = connect(sandbox, retry=AT_ONCE, on_event=telemetry.listener)
    with telemetry.tracers.get_tracer("a bot").start_as_current_span("command") as command:
        await client.publish(job_id)
    (publish,) = [span for span in telemetry.spans(SpanKind.INTERNAL) if span.name != "command"]
    failed, live = telemetry.spans(SpanKind.CLIENT)
    assert publish.parent == command.get_span_context()
    assert failed.parent == live.parent == publish.get_span_context()
    assert (publish.name, publish.status.status_code) == ("opentrain.publish", StatusCode.UNSET)
    assert publish.attributes == {
        "opentrain.job_id": job_id, "opentrain.attempts": 2, "opentrain.outcome": "published",
    }  # fmt: skip
    assert [event.name for event in publish.events] == ["retry"]
    request = {
        "http.request.method": "POST", "server.address": "127.0.0.1",
        "server.port": int(sandbox.url.rpartition(":")[2]),
        "url.full": f"{sandbox.url}/api/public/v1/jobs/{job_id}/publish",
        "url.template": "/api/public/v1/jobs/{jobId}/publish",
    }  # fmt: skip
    assert failed.name == live.name == "POST /api/public/v1/jobs/{jobId}/publish"
    assert failed.attributes == request | {"http.response.status_code": 503, "error.type": "503"}
    assert failed.status.status_code is StatusCode.ERROR
    assert live.attributes == request | {"http.response.status_code": 200, "http.request.resend_count": 1}


async def test_a_draft_that_has_to_wait_is_no_error(sandbox: Sandbox, connect: Connect, telemetry: Telemetry) -> None:
    """Of one that is refused the span says so; of one that is deferred, that it is."""
    client = connect(sandbox, daily_limit=1, on_event=telemetry.listener)
    await client.publish_many([sandbox.draft(blocked=True), sandbox.draft(), sandbox.draft()], concurrency=1)
    told = [
        ((span.attributes or {})["opentrain.outcome"], span.status.status_code)
        for span in telemetry.spans(SpanKind.INTERNAL)
    ]
    assert told == [
        ("rejected", StatusCode.ERROR), ("published", StatusCode.UNSET), ("deferred", StatusCode.UNSET),
    ]  # fmt: skip


async def test_a_publish_that_was_live_already_is_told_apart(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """It has used up nothing."""
    client, job_id = connect(sandbox, on_event=telemetry.listener), sandbox.draft(status="OPEN")
    await client.publish(job_id)
    (publish,) = telemetry.spans(SpanKind.INTERNAL)
    assert (publish.attributes or {})["opentrain.outcome"] == "already_published"


async def test_a_request_without_an_answer_has_the_kind_of_its_error(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """One that was cancelled too; its publish as well."""
    client = connect(sandbox, on_event=telemetry.listener)
    sandbox.fault(Fault.STALL)
    task = asyncio.create_task(client.publish(sandbox.draft()))
    await until(lambda: sandbox.requests)
    task.cancel()
    await asyncio.wait({task})
    (publish,), (attempt,) = telemetry.spans(SpanKind.INTERNAL), telemetry.spans(SpanKind.CLIENT)
    assert (attempt.attributes or {})["error.type"] == "CancelledError"
    assert (publish.attributes or {})["opentrain.outcome"] == "cancelled"


async def test_the_other_calls_have_spans_for_their_requests(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """Named by what is asked for, whatever the id; an id that reads like a part of the path is still the id."""
    client = connect(sandbox, retry=AT_ONCE, on_event=telemetry.listener)
    sandbox.fault(Fault.STATUS, status=503, on="whoami")
    await client.whoami()
    await client.close_job(sandbox.draft("close", status="OPEN"))
    assert [span.name for span in telemetry.spans(SpanKind.CLIENT)] == [
        "GET /api/public/v1/auth/me", "GET /api/public/v1/auth/me", "POST /api/public/v1/jobs/{jobId}/close",
    ]  # fmt: skip
    assert not telemetry.spans(SpanKind.INTERNAL)


async def test_another_call_s_span_is_below_the_current_one(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """As that of a publish is."""
    client = connect(sandbox, on_event=telemetry.listener)
    with telemetry.tracers.get_tracer("a bot").start_as_current_span("command") as command:
        await client.whoami()
    (request,) = telemetry.spans(SpanKind.CLIENT)
    assert request.parent == command.get_span_context()


async def test_a_publish_that_goes_on_for_others_is_a_span_of_theirs(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """Each of the two is below what was the current span of those for whom it was made."""
    client, job_id = connect(sandbox, on_event=telemetry.listener), sandbox.draft()
    tracer = telemetry.tracers.get_tracer("a bot")
    sandbox.fault(Fault.STALL)
    with tracer.start_as_current_span("run") as of_the_run:
        run = asyncio.create_task(client.publish_many([job_id]))
    await until(lambda: sandbox.requests)
    with tracer.start_as_current_span("other") as of_the_other:
        other = asyncio.create_task(client.publish(job_id))
    await asyncio.sleep(0)
    run.cancel()
    await other
    first, second = [span for span in telemetry.spans(SpanKind.INTERNAL) if span.name == "opentrain.publish"]
    assert (first.parent, second.parent) == (of_the_run.get_span_context(), of_the_other.get_span_context())
    assert [(span.attributes or {})["opentrain.attempts"] for span in (first, second)] == [1, 1]
    assert [(span.attributes or {})["opentrain.outcome"] for span in (first, second)] == ["cancelled", "published"]


async def test_an_answer_that_cannot_be_read_has_the_kind_of_its_error(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """Its status was none of failure; that of a refusal is the kind itself."""
    client = connect(sandbox, retry=ONCE, on_event=telemetry.listener)
    for fault in (Fault.HTML, Fault.STATUS):
        sandbox.fault(fault)
        with pytest.raises(OpenTrainError):
            await client.publish(sandbox.draft())
    told = [span.attributes or {} for span in telemetry.spans(SpanKind.CLIENT)]
    assert [(attributes["http.response.status_code"], attributes["error.type"]) for attributes in told] == [
        (200, "UnexpectedResponseError"), (503, "503"),
    ]  # fmt: skip


async def test_a_retry_is_told_with_its_attempt_and_its_delay(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """As events of the publish's span."""
    client = connect(sandbox, retry=RetryPolicy(base_delay=0.001, max_delay=0.001), on_event=telemetry.listener)
    sandbox.fault(Fault.STATUS, times=2)
    await client.publish(sandbox.draft())
    (publish,) = telemetry.spans(SpanKind.INTERNAL)
    told = [dict(event.attributes or {}) for event in publish.events]
    assert [attributes["opentrain.attempt"] for attributes in told] == [1, 2]
    assert all(0 < float(str(attributes["opentrain.delay"])) <= 0.001 for attributes in told)


@pytest.mark.parametrize(
    ("origin", "port"), [("https://a.test", 443), ("http://a.test", 80), ("https://a.test:8443", 8443)]
)
def test_a_port_that_is_not_said_is_that_of_the_scheme(origin: str, port: int, telemetry: Telemetry) -> None:
    """443 for https."""
    telemetry.listener(AttemptStarted(1, "whoami", None, 1, "GET", f"{origin}/api/public/v1/auth/me"))
    telemetry.listener(AttemptSucceeded(1, "whoami", None, 1, 0.1, 200))
    (span,) = telemetry.spans(SpanKind.CLIENT)
    assert ((span.attributes or {})["server.address"], (span.attributes or {})["server.port"]) == ("a.test", port)


async def test_nothing_is_kept_of_calls_that_have_ended(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """However they did: well, at the second attempt, refused, or cancelled."""
    client = connect(sandbox, retry=AT_ONCE, on_event=telemetry.listener)
    sandbox.fault(Fault.STATUS)
    await client.publish_many([sandbox.draft(), sandbox.draft(blocked=True)])
    await client.whoami()
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    task = asyncio.create_task(client.publish(stalled))
    await until(lambda: stalled in sandbox.requests[-1].path)
    task.cancel()
    await asyncio.wait({task})
    assert len(telemetry.spans(SpanKind.INTERNAL)) == 3
    assert (telemetry.listener._publishes, telemetry.listener._attempts) == ({}, {})


async def test_a_draft_that_is_held_as_its_run_stops_is_cancelled(telemetry: Telemetry) -> None:
    """It is told so, and by no error of the library's own; its span is none of failure."""
    clock, told = GatedClock(), list[Event]()
    service = Service(clock, after=0, seconds=60.0, fail=status("503 no"))
    is_held = asyncio.Event()

    def listen(event: Event) -> None:
        told.append(event)
        telemetry.listener(event)
        if isinstance(event, RunHeld):
            is_held.set()

    async def source() -> AsyncIterator[str]:
        for job_id in ids(3):
            yield job_id
        await is_held.wait()
        yield "job_held"

    async with (
        peer(service) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(), daily_limit=20, on_event=listen) as client,
    ):
        await accept_one(client)
        async with client.publish_stream(source(), concurrency=4) as outcomes:
            await until(lambda: client._breaker._queue.length == 2)  # with the one whose failure made it an outage
            outcomes.stop()
            ended = {outcome.job_id: outcome.status.value async for outcome in outcomes}
    assert ended["job_held"] == "not_sent"
    _has_been_cancelled("job_held", told, telemetry)


async def test_a_draft_that_waits_for_a_slot_as_its_run_stops_is_cancelled(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """The same."""
    told: list[Event] = []

    def listen(event: Event) -> None:
        told.append(event)
        telemetry.listener(event)

    client, job_id = connect(sandbox, daily_limit=1, on_event=listen), sandbox.draft()
    await client.publish(sandbox.draft())
    async with client.publish_stream([job_id], max_wait=90_000.0) as outcomes:
        await until(lambda: client._ledger.line.length)
        outcomes.stop()
        assert [outcome.status.value async for outcome in outcomes] == ["not_sent"]
    _has_been_cancelled(job_id, told, telemetry)


def _has_been_cancelled(job_id: str, told: list[Event], telemetry: Telemetry) -> None:
    (ended,) = [event for event in told if isinstance(event, PublishEnded) and event.job_id == job_id]
    assert (type(ended.error), ended.result, ended.attempts) == (asyncio.CancelledError, None, 0)
    publishes = {(span.attributes or {})["opentrain.job_id"]: span for span in telemetry.spans(SpanKind.INTERNAL)}
    assert (publishes[job_id].attributes or {})["opentrain.outcome"] == "cancelled"
    assert publishes[job_id].status.status_code is StatusCode.UNSET


async def test_the_quota_is_a_gauge(sandbox: Sandbox, connect: Connect, telemetry: Telemetry) -> None:
    """For each account of its own; the limit once it is known."""
    known = connect(sandbox, daily_limit=20, account="acme", on_event=telemetry.listener)
    learning = connect(sandbox, token=sandbox.add_account(), account="other", on_event=telemetry.listener)
    await known.publish(sandbox.draft())
    await learning.quota()
    assert telemetry.gauges() == {
        ("limit", "acme"): 20, ("used", "acme"): 1, ("remaining", "acme"): 19, ("used", "other"): 0,
    }  # fmt: skip


async def test_a_limit_that_is_to_be_learned_anew_is_no_gauge(
    sandbox: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    """After a claim nobody knows it, until a refusal says so; what is used stays."""
    made = await AsyncOpenTrain.register(base_url=sandbox.url, save=False, clock=sandbox.clock)
    client = connect(
        sandbox,
        token=made.access_token,
        claim_token=made.claim_token,
        account="acme",
        on_event=telemetry.listener,
    )
    await client.publish_many([sandbox.draft(token=made.access_token.reveal()) for _ in range(4)])
    assert telemetry.gauges() == {("limit", "acme"): 3, ("used", "acme"): 3, ("remaining", "acme"): 0}
    claim = await client.start_claim("ada@example.com")
    sandbox.approve_claim(claim.user_code)
    await client.wait_for_claim()
    assert telemetry.gauges() == {("used", "acme"): 3}


async def test_without_a_set_up_nothing_is_said(
    sandbox: Sandbox, connect: Connect, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The API's own providers take everything and do nothing."""
    client = connect(sandbox, on_event=OpenTelemetry())
    assert (await client.publish(sandbox.draft())).newly_published
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


async def test_no_span_shows_the_token(sandbox: Sandbox, connect: Connect, telemetry: Telemetry) -> None:
    """Not even of a refusal of the token itself."""
    client = connect(sandbox, on_event=telemetry.listener)
    sandbox.revoke()
    with pytest.raises(OpenTrainError):
        await client.publish(sandbox.draft())
    told = [span.to_json() for span in telemetry.exporter.get_finished_spans()]
    assert len(told) == 2
    assert sandbox.token not in "".join(told)


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for telemetry and cannot have it is told what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"opentrain_async\[otel\]"):
        OpenTelemetry()


def test_nobody_who_does_not_ask_for_it_loads_it() -> None:
    """The package does without."""
    check = "import sys, opentrain_async; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


async def test_one_name_at_two_services_has_two_gauges(telemetry: Telemetry, connect: Connect) -> None:
    """Neither takes the other's place."""
    async with Sandbox() as one, Sandbox() as other:
        for box, count in ((one, 1), (other, 2)):
            client = connect(box, account="acme", on_event=telemetry.listener)
            await client.publish_many([box.draft() for _ in range(count)])
        assert telemetry.used() == {one.url: 1, other.url: 2}
