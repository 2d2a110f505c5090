"""Waiting in tests for what has to happen."""

import asyncio
from collections.abc import Callable
from types import CoroutineType
from typing import Any

import pytest

from opentrain_async import AsyncOpenTrain, PublishResult
from opentrain_async.sandbox import Fault, Sandbox


async def until(fact: Callable[[], object]) -> None:
    """Wait until something is so; half a minute is for a machine that is busy with something else."""
    async with asyncio.timeout(30):
        while not fact():
            await asyncio.sleep(0.001)


async def in_mid_request(client: AsyncOpenTrain, sandbox: Sandbox, job_id: str) -> "asyncio.Task[PublishResult]":
    """Begin a publish to which no answer comes; returns once the service has its request."""
    sandbox.fault(Fault.STALL, job_id=job_id)
    publishing = asyncio.create_task(client.publish(job_id))
    await until(lambda: sandbox.requests)
    return publishing


async def cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel a task, and see that it ends by that."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def tasks_but_of_servers() -> "set[asyncio.Task[Any]]":
    """The tasks of this loop, without those in which a server of the test serves a connection."""
    return {task for task in asyncio.all_tasks() if not _is_of_a_server(task)}


def _is_of_a_server(task: "asyncio.Task[Any]") -> bool:
    coroutine = task.get_coro()
    if not isinstance(coroutine, CoroutineType):
        return False
    return "web_protocol" in coroutine.cr_code.co_filename or coroutine.cr_code.co_name == "_accept_connection2"
