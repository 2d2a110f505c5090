"""Publishing in bulk, by hand and with what one would take for it: each does the same work.

That is: POST for each draft, read the JSON of the answer, and keep it if the draft is live: whoever has published a job
wants its address. Each may have as many connections as there are drafts at once, and is otherwise as its own
documentation shows it: aiohttp's session with its own cookie jar and timeouts, httpx with 20 connections that it keeps
alive (with more it gets slower, as it looks at each of them for each request), and those with retry with four attempts,
backoff and jitter, as ours has.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

import aiohttp

from opentrain_async import AsyncOpenTrain

Answer = Mapping[str, Any]
PublishAll = Callable[[Iterable[str]], Awaitable[int]]
"""Publishes all of these, and says how many are live."""
Contender = Callable[[str, int], AbstractAsyncContextManager[PublishAll]]
"""For an origin, and so many drafts at once."""

TOKEN = "ot_pat_bench"  # noqa: S105 - the benchmark's own server takes any
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_ATTEMPTS = 4
_PATIENCE = 60.0
"""Seconds: where the usual timeout also bounds the waiting for others at so many at once, it would fail."""
_KEPT_BY_HTTPX = 20
_NO_LIMIT = 10**9


def url_of(origin: str, job_id: str) -> str:
    """Where a draft is published."""
    return f"{origin}/api/public/v1/jobs/{job_id}/publish"


def is_live(answer: Answer) -> bool:
    """What a caller wants to know first."""
    return bool(answer["ok"]) and answer["status"] == "OPEN"


@asynccontextmanager
async def ours(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """The library, with a quota that is never used up: of that the server has none either."""
    async with AsyncOpenTrain(TOKEN, base_url=origin, daily_limit=_NO_LIMIT, max_connections=at_once) as client:

        async def publish_all(ids: Iterable[str]) -> int:
            report = await client.publish_many(ids, concurrency=at_once)
            return len(report.published)

        yield publish_all


@asynccontextmanager
async def bare(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """What one would write by hand: workers over one iterator, session.post and json.loads."""
    async with _session(at_once) as session:

        async def publish_all(ids: Iterable[str]) -> int:
            left = iter(ids)
            live: list[Answer] = []

            async def work() -> None:
                for job_id in left:
                    async with session.post(url_of(origin, job_id)) as response:
                        answer = json.loads(await response.read())
                    if is_live(answer):
                        live.append(answer)

            await asyncio.gather(*(work() for _ in range(at_once)))
            return len(live)

        yield publish_all


@asynccontextmanager
async def with_tenacity(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """The same with tenacity around the post."""
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    async with _session(at_once) as session:

        async def publish(job_id: str) -> Answer:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(_ATTEMPTS),
                wait=wait_random_exponential(multiplier=0.5, max=8),
                retry=retry_if_exception_type((aiohttp.ClientError, TimeoutError)),
                reraise=True,
            ):
                with attempt:
                    async with session.post(url_of(origin, job_id)) as response:
                        response.raise_for_status()
                        answer: Answer = json.loads(await response.read())
                        return answer
            raise AssertionError("the last attempt raises")

        yield _by_workers(publish, at_once)


@asynccontextmanager
async def with_aiohttp_retry(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """The client of aiohttp-retry, which is a session that retries."""
    from aiohttp_retry import JitterRetry, RetryClient

    options = JitterRetry(attempts=_ATTEMPTS, start_timeout=0.5, max_timeout=8.0)
    async with _session(at_once) as session:
        client = RetryClient(client_session=session, retry_options=options)

        async def publish(job_id: str) -> Answer:
            async with client.post(url_of(origin, job_id)) as response:
                response.raise_for_status()
                answer: Answer = json.loads(await response.read())
                return answer

        yield _by_workers(publish, at_once)


@asynccontextmanager
async def with_stamina(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """The same with stamina's decorator."""
    import stamina

    async with _session(at_once) as session:

        async def publish(job_id: str) -> Answer:
            async with session.post(url_of(origin, job_id)) as response:
                response.raise_for_status()
                answer: Answer = json.loads(await response.read())
                return answer

        retried = stamina.retry(
            on=(aiohttp.ClientError, TimeoutError), attempts=_ATTEMPTS, wait_initial=0.5, wait_max=8.0
        )
        yield _by_workers(retried(publish), at_once)


@asynccontextmanager
async def by_httpx(module: str, origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """A client of httpx, or of what goes by its names."""
    library = import_module(module)
    limits = library.Limits(max_connections=at_once, max_keepalive_connections=_KEPT_BY_HTTPX)
    async with library.AsyncClient(headers=_HEADERS, limits=limits, timeout=_PATIENCE) as client:
        yield _by_posts_of(client, origin, at_once)


@asynccontextmanager
async def niquests(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """A session of niquests."""
    import niquests as library

    async with library.AsyncSession(headers=_HEADERS, pool_maxsize=at_once) as session:
        yield _by_posts_of(session, origin, at_once)


@asynccontextmanager
async def openai(origin: str, at_once: int) -> AsyncIterator[PublishAll]:
    """The client of a vendor's SDK, with its own retry, asked for a path of ours."""
    import openai as library

    async with library.AsyncOpenAI(
        api_key=TOKEN, base_url=origin, max_retries=_ATTEMPTS - 1, timeout=_PATIENCE
    ) as client:  # which has up to 1,000 connections

        async def publish(job_id: str) -> Answer:
            answer = await client.post(url_of(origin, job_id), cast_to=object)
            assert isinstance(answer, dict)
            return answer

        yield _by_workers(publish, at_once)


CONTENDERS: dict[str, tuple[str, Contender]] = {
    "opentrain_async": ("opentrain_async", ours),
    "bare aiohttp": ("aiohttp", bare),
    "aiohttp + tenacity": ("tenacity", with_tenacity),
    "aiohttp-retry": ("aiohttp-retry", with_aiohttp_retry),
    "aiohttp + stamina": ("stamina", with_stamina),
    "httpx": ("httpx", partial(by_httpx, "httpx")),
    "httpx2": ("httpx2", partial(by_httpx, "httpx2")),
    "niquests": ("niquests", niquests),
    "openai": ("openai", openai),
}
"""By its name: the distribution that it needs, and how it publishes."""


def _session(at_once: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers=_HEADERS, connector=aiohttp.TCPConnector(limit=at_once))


def _by_posts_of(client: Any, origin: str, at_once: int) -> PublishAll:
    """Workers that post by a client in the manner of requests."""

    async def publish(job_id: str) -> Answer:
        response = await client.post(url_of(origin, job_id))
        answer: Answer = response.json()
        return answer

    return _by_workers(publish, at_once)


def _by_workers(publish: Callable[[str], Awaitable[Answer]], at_once: int) -> PublishAll:
    """Workers over one iterator, as `bare` has them."""

    async def publish_all(ids: Iterable[str]) -> int:
        left = iter(ids)
        live: list[Answer] = []

        async def work() -> None:
            for job_id in left:
                answer = await publish(job_id)
                if is_live(answer):
                    live.append(answer)

        await asyncio.gather(*(work() for _ in range(at_once)))
        return len(live)

    return publish_all
