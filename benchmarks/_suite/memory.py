"""How much memory a long run takes over that of a client at rest, each time in a fresh process.

All drafts are live already, so that each is a request and none is charged. One hundred are on their way at once; so
many connections an aiohttp session has of itself, and `asyncio.gather` begins a task for each draft.
"""

import asyncio
import json
import time

import aiohttp
from attrs import frozen

from opentrain_async import AsyncOpenTrain, OutcomeStatus

from .contenders import TOKEN, is_live, url_of
from .machine import describe
from .processes import Figures, Work, in_a_fresh_process, peak_mib
from .record import Record, Sample
from .servers import server
from .turns import OURS, in_turns, told

STREAM, MANY, GATHER = "publish_stream", "publish_many", "asyncio.gather of session.post"
PEAK, PACE = "MiB over rest", "last tenth's pace over the first's"
_AT_ONCE = 100


@frozen
class Size:
    """How much is measured.

    Attributes:
        rounds: How often.
        drafts: How many of them.
    """

    rounds: int
    drafts: tuple[int, ...]


FULL = Size(rounds=3, drafts=(1_000, 10_000, 100_000))
QUICK = Size(rounds=1, drafts=(1_000, 5_000))


def measure(is_quick: bool) -> Record:
    """Each way for each number of drafts."""
    return measured(QUICK if is_quick else FULL)


def measured(size: Size) -> Record:
    """Each way for each of these numbers of drafts."""
    machine = describe([OURS, "aiohttp"])
    pairs = [(name, drafts) for drafts in size.drafts for name in _WAYS]
    with server(finds_live=True) as origin:
        samples = [
            Sample(number, name, str(drafts), in_a_fresh_process(_WAYS[name], origin, drafts))
            for number, (name, drafts) in told("memory", in_turns(size.rounds, pairs), size.rounds)
        ]
    settings = {"rounds": str(size.rounds), "at once": str(_AT_ONCE)}
    return Record(machine, settings, tuple(_WAYS), (), tuple(samples))


async def _stream(origin: str, drafts: int) -> Figures:
    async with AsyncOpenTrain(TOKEN, base_url=origin) as client:

        async def publish(count: int) -> list[float]:
            tenths = [time.perf_counter()]
            async with client.publish_stream(_ids(count), concurrency=_AT_ONCE) as outcomes:
                number = 0
                async for outcome in outcomes:
                    assert outcome.status is OutcomeStatus.ALREADY_PUBLISHED
                    number += 1
                    if number % (count // 10) == 0:
                        tenths.append(time.perf_counter())
            return tenths

        await publish(_AT_ONCE)
        rest = peak_mib()
        tenths = await publish(drafts)
        return {PEAK: peak_mib() - rest, PACE: (tenths[1] - tenths[0]) / (tenths[-1] - tenths[-2])}


async def _many(origin: str, drafts: int) -> Figures:
    async with AsyncOpenTrain(TOKEN, base_url=origin) as client:
        await client.publish_many(_ids(_AT_ONCE), concurrency=_AT_ONCE)
        rest = peak_mib()
        report = await client.publish_many(_ids(drafts), concurrency=_AT_ONCE)
        assert len(report.already_published) == drafts
        return {PEAK: peak_mib() - rest}


async def _gather(origin: str, drafts: int) -> Figures:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def publish(job_id: str) -> bool:
            async with session.post(url_of(origin, job_id)) as response:
                return is_live(json.loads(await response.read()))

        await asyncio.gather(*map(publish, _ids(_AT_ONCE)))
        rest = peak_mib()
        assert sum(await asyncio.gather(*map(publish, _ids(drafts)))) == drafts
        return {PEAK: peak_mib() - rest}


_WAYS: dict[str, Work] = {STREAM: _stream, MANY: _many, GATHER: _gather}


def _ids(count: int) -> "map[str]":
    return map("job_{}".format, range(count))
