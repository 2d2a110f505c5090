"""Make a request go wrong, in HTTP and below it."""

import asyncio
import socket
import struct

from aiohttp import web

from .faults import Fault, PlannedFault

_OVERSIZE = 2 * 1024 * 1024
_DRIP_SECONDS = 0.002
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def strike(fault: PlannedFault, request: web.Request, body: bytes, closing: asyncio.Event) -> web.StreamResponse:
    """Let a request go wrong.

    Args:
        fault: How. A `Fault.STATUS` is an answer like others and is not made here.
        request: The request.
        body: The answer that it would have had.
        closing: Set when the sandbox ends, and with it whatever takes its time.
    """
    match kind := fault.kind:
        case Fault.GATEWAY:
            return web.Response(status=fault.status, text=f"default backend - {fault.status}")
        case Fault.REDIRECT:
            return web.Response(status=307, headers={"Location": "http://elsewhere.invalid/?token=x"})
        case Fault.HTML:
            return web.Response(text="<html>Please log in to the network.</html>", content_type="text/html")
        case Fault.OVERSIZED:
            return web.Response(body=b'{"padding": "' + b"x" * _OVERSIZE + b'"}', content_type="application/json")
        case Fault.TRUNCATED | Fault.DRIP:
            return await _send_slowly(request, body, closing, cut=kind is Fault.TRUNCATED)
        case Fault.RESET | Fault.CLOSE:
            _hang_up(request, reset=kind is Fault.RESET)
        case _:
            await closing.wait()
    return web.Response()


async def _send_slowly(request: web.Request, body: bytes, closing: asyncio.Event, *, cut: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    if cut:
        await response.write(body[: len(body) // 2])
        _hang_up(request, reset=False)
        return response
    for byte in body:
        if closing.is_set() or request.transport is None or request.transport.is_closing():
            break
        await response.write(bytes([byte]))
        await asyncio.sleep(_DRIP_SECONDS)
    return response


def _hang_up(request: web.Request, *, reset: bool) -> None:
    """End the connection of a request, in an orderly way or by a reset."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if reset and sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
