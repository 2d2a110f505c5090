"""Hostile text in every answer, through every method of a client: errors, values, logs, events, spans, journals."""

import asyncio
import inspect
import itertools
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from opentrain_async import AsyncOpenTrain, PublishOutcome, RedisLedger, RetryPolicy, SQLiteLedger
from opentrain_async.errors import ConfigurationError, DraftIncompleteError, NotPublishReadyError, OpenTrainError
from opentrain_async.events import AttemptFailed, AttemptStarted, Event, QuotaCounted
from opentrain_async.models import Draft, Issue, MissingField, Validation
from opentrain_async.models._fields import body_of, snake
from opentrain_async.otel import OpenTelemetry

from ..support.every_error import CLASSES, full
from ..support.hostile_service import SCENES, HostileService
from ..support.peers import serving
from ..support.raw import HOSTILE, NAMEABLE, TOKEN, assert_harmless, raw_in
from ..support.virtual import VirtualClock

TWICE = RetryPolicy(max_attempts=2, base_delay=0.0)
DRAFT = Draft("job_1", validation=Validation(False, missing_fields=(MissingField("experienceLevel"),)))
METHODS: Mapping[str, Callable[[AsyncOpenTrain, Path], Awaitable[object]]] = {
    "capabilities": lambda client, _: client.capabilities(),
    "close_job": lambda client, _: client.close_job("job_1"),
    "create_draft": lambda client, _: client.create_draft("cats", idempotency_key=NAMEABLE),
    "fill_gaps": lambda client, _: client.fill_gaps(DRAFT, lambda field: field.example or HOSTILE),
    "iter_jobs": lambda client, _: listed(client),
    "plan": lambda client, journal: client.plan(["job_1", HOSTILE], journal=journal, again=True),
    "post": lambda client, _: client.post("cats", answer=lambda field: field.example, idempotency_key=NAMEABLE),
    "publish": lambda client, _: client.publish("job_1"),
    "publish_many": lambda client, journal: client.publish_many(
        ["job_1", HOSTILE, "job_3"], journal=journal, outage_patience=1.0, on_outcome=fail, again=True
    ),
    "publish_stream": lambda client, journal: streamed(client, journal),
    "quota": lambda client, _: client.quota(),
    "start_claim": lambda client, _: client.start_claim("a@b.example"),
    "update_draft": lambda client, _: client.update_draft("job_1", job_title=HOSTILE),
    "update_job": lambda client, _: client.update_job("job_1", job_title=HOSTILE),
    "wait_for_claim": lambda client, _: client.wait_for_claim(timeout=1.0),
    "whoami": lambda client, _: client.whoami(),
}
"""What is public of a client, but for how it is made and closed."""


async def listed(client: AsyncOpenTrain) -> list[object]:
    """All jobs."""
    return [job async for job in client.iter_jobs()]


async def streamed(client: AsyncOpenTrain, journal: Path) -> list[object]:
    """All outcomes of a stream."""
    async with client.publish_stream(["job_2", HOSTILE], journal=journal, outage_patience=0) as outcomes:
        return [outcome async for outcome in outcomes]


def fail(outcome: PublishOutcome) -> None:
    """Raise what the service has said, as a user's callback may."""
    raise LookupError(HOSTILE, str(outcome))


class Witness:
    """Sees everything that leaves a client."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.metrics = InMemoryMetricReader()
        self.telemetry = OpenTelemetry(tracer_provider=tracers, meter_provider=MeterProvider([self.metrics]))

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.telemetry(event)

    def texts(self) -> Iterator[str]:
        """Everything that events, spans and metrics show."""
        for event in self.events:
            yield repr(event)
            if isinstance(event, QuotaCounted):
                yield event.account
        for span in self.spans.get_finished_spans():
            yield from (span.name, span.status.description or "", *map(str, (span.attributes or {}).values()))
            yield from (str(value) for told in span.events for value in (told.attributes or {}).values())
        data = self.metrics.get_metrics_data()
        for metric in [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics:
            yield from (str(value) for point in metric.data.data_points for value in (point.attributes or {}).values())


def texts_of(result: object) -> Iterator[str]:
    """What a program prints of a result."""
    if isinstance(result, list | tuple):
        for item in result:
            yield from texts_of(item)
    else:
        yield from (repr(result), str(result))
    for name in ("outcomes", "error", "stopped_by", "issues", "missing"):
        inner = getattr(result, name, None)
        if inner is not None and not callable(inner):
            yield from texts_of(inner)


def check_error(error: BaseException) -> None:
    """See that an error shows nothing raw, nor do its notes and its causes; in a traceback a line may be its own."""
    for text in (*texts_of(error), *getattr(error, "__notes__", ())):
        assert_harmless(text)
    assert_harmless("".join(traceback.format_exception(error)), may_begin_a_line=True)


def test_F70_each_method_is_tried() -> None:
    """One that is added is a way out, too."""
    public = {name for name, _ in inspect.getmembers(AsyncOpenTrain, callable) if not name.startswith("_")}
    assert set(METHODS) == public - {"aclose", "close", "register"}


@pytest.mark.usefixtures("everything_is_logged")
@pytest.mark.parametrize("scene", list(SCENES))
async def test_F70_no_answer_leaves_raw_by_any_way(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, tmp_path: Path, scene: str
) -> None:
    """Whatever the service says: a result, an error, a record, an event, a span, a journal shows none of it raw."""
    witness, journal, caplog.handler.formatter = Witness(), tmp_path / "run.jsonl", logging.Formatter()
    async with serving(HostileService()) as service:
        service.scene = SCENES[scene]
        for method in METHODS.values():
            client = AsyncOpenTrain(
                TOKEN, base_url=service.url, claim_token="ot_clm_held", account="auto", retry=TWICE, clock=clock,
                on_event=witness,
            )  # fmt: skip
            async with client:
                try:
                    for text in texts_of(await method(client, journal)):
                        assert_harmless(text)
                except (ConfigurationError, DraftIncompleteError) as error:  # whose message is a sentence of ours
                    assert_harmless(error.message)
                    check_error(error)
                except OpenTrainError as error:
                    check_error(error)
        try:
            repr(await AsyncOpenTrain.register(base_url=service.url, agent_name=NAMEABLE, retry=TWICE, clock=clock))
        except OpenTrainError as error:
            check_error(error)
    for text in witness.texts():
        assert_harmless(text)
    for record in caplog.records:
        if record.name.startswith("opentrain_async"):
            assert_harmless(record.getMessage())
    assert_harmless(caplog.text, may_begin_a_line=True)
    lines = journal.read_text("ascii").splitlines() if journal.exists() else []
    assert [raw_in(line, longest=50_000) for line in lines] == [[]] * len(lines)
    assert len(witness.events) > 20


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_F70_no_error_shows_anything_raw(kind: type[OpenTrainError]) -> None:
    """Whatever is in each of its attributes."""
    error = full(kind, HOSTILE)
    error.idempotency_key, error.operation = HOSTILE, "create_draft"
    check_error(error)


def test_F70_no_span_shows_the_text_of_a_cancellation() -> None:
    """A task can be cancelled with any message."""
    witness, about = Witness(), (1, "publish", "job_1", 1)
    witness(AttemptStarted(*about, "POST", "https://app.example/api"))
    witness(AttemptFailed(*about, 0.5, None, asyncio.CancelledError(HOSTILE)))
    (span,) = witness.spans.get_finished_spans()
    assert_harmless(span.status.description or "")


def test_F70_no_ledger_shows_anything_raw(tmp_path: Path) -> None:
    """Its file, its server and its prefix are the user's, who may have them from elsewhere."""
    for ledger in (SQLiteLedger(tmp_path / NAMEABLE.replace("\0", "")), RedisLedger("redis://x", prefix=NAMEABLE)):
        assert_harmless(repr(ledger))
    assert repr(RedisLedger("redis://user:word@h/3")) == "RedisLedger('redis://h/3', prefix='opentrain')"
    assert repr(SQLiteLedger(tmp_path / "q.db")) == f"SQLiteLedger('{tmp_path / 'q.db'}')"


@pytest.mark.parametrize("name", ["headcount", "languages", "experienceLevel", HOSTILE, "?"], ids=range(5))
def test_F70_no_refusal_of_an_answer_shows_anything_raw(name: str) -> None:
    """The field, the choices and the answer itself are foreign words in a sentence of ours."""
    answers = (
        HOSTILE,
        HOSTILE[:-1].upper(),
        [HOSTILE],
        {HOSTILE: HOSTILE},
        {"x": 1},
        {HOSTILE: HOSTILE, 5: 6},
        10**5000,
        None,
    )
    refused = 0
    for kind, answer in itertools.product(("enum", "number", HOSTILE), answers):
        choices = (HOSTILE, HOSTILE.upper().replace(" ", "_")) if kind == "enum" else None
        field = MissingField(name, type=kind, enum_values=choices, update_keys=(name, HOSTILE), example=HOSTILE)
        assert_harmless(repr(field))
        try:
            field.update(answer)
        except ValueError as error:
            refused += 1
            assert_harmless(str(error))
    assert refused > len(answers)
    for unknown in (snake(HOSTILE)[:-1], f"{HOSTILE * 3}x"):
        with pytest.raises(ValueError, match="a draft has no field") as caught:
            body_of({unknown: 1}, [HOSTILE])
        assert_harmless(str(caught.value))


@pytest.mark.parametrize("answer", [None, 5, {}, {"x": 1}, {HOSTILE: HOSTILE, 5: 6}], ids=range(5))
async def test_F70_missing_fields_are_named_without_anything_raw(answer: object) -> None:
    """In the message of the error, too: it is a sentence of ours."""
    async with serving(HostileService()) as service, AsyncOpenTrain(TOKEN, base_url=service.url) as client:
        draft = await client.create_draft("cats")
        with pytest.raises((ConfigurationError, DraftIncompleteError)) as caught:
            await client.fill_gaps(draft, lambda _: answer)
    assert_harmless(caught.value.message)
    check_error(caught.value)


def test_F70_a_finding_shows_nothing_raw() -> None:
    """It stands in the error of a refused request, and in programs that print what is wrong."""
    assert_harmless(str(Issue(("fields", HOSTILE, 3), HOSTILE)))
    assert_harmless(str(Issue((), "", HOSTILE)))
    assert str(Issue(("languages", 1), "Expected string")) == "languages.1: Expected string"


@pytest.mark.parametrize("kind", [NotPublishReadyError, DraftIncompleteError])
def test_F70_names_of_missing_fields_show_nothing_raw(kind: type[OpenTrainError]) -> None:
    """An error names them in its advice."""
    missing = (MissingField(HOSTILE), MissingField(HOSTILE))
    error = full(kind)
    if isinstance(error, NotPublishReadyError):
        error.validation = Validation(False, missing_fields=missing)
    elif isinstance(error, DraftIncompleteError):
        error.draft = Draft("job_1", validation=Validation(False, missing_fields=missing))
    check_error(error)
    assert "Fill in " in str(error)
