"""When no connection can be made: nothing was sent, and the error says so."""

import asyncio
import socket
import ssl
import sys
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from opentrain_async._service.http.messages import Request
from opentrain_async.errors import ConfigurationError, ConnectError, PoolTimeoutError, TLSError

from ..support import command
from ..support.peers import (
    CERTIFICATE,
    TOKEN,
    Then,
    answer,
    client_of,
    live,
    peer,
    sends,
    server_tls,
    stranger,
    unused_port,
)
from ..support.virtual import changeable_loop


class NamelessResolver(AbstractResolver):
    """A resolver that knows no name."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        raise OSError(None, "no such name")

    async def close(self) -> None:
        pass


async def test_a_refused_connection_changed_nothing() -> None:
    """Where nobody listens, the publish ends as a ConnectError without effect."""
    async with client_of(f"http://127.0.0.1:{unused_port()}") as client:
        with pytest.raises(ConnectError) as caught:
            await client.publish("job_1")
    assert (caught.value.effect, caught.value.job_id) == ("none", "job_1")
    assert "no connection" in caught.value.message


async def test_F32_a_name_that_does_not_resolve_is_told_from_a_host_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fails in the resolver, here without a look at the network, and the error says DNS."""

    async def find_nothing(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(changeable_loop(), "getaddrinfo", find_nothing)
    async with client_of("https://a.invalid") as client:
        with pytest.raises(ConnectError, match="DNS") as caught:
            await client.publish("job_1")
    assert caught.value.effect == "none"


async def test_F32_a_resolver_that_fails_is_reported_as_dns() -> None:
    """Whatever resolver a borrowed session has, its failure is a ConnectError that says DNS."""
    connector = aiohttp.TCPConnector(resolver=NamelessResolver())
    async with aiohttp.ClientSession(connector=connector) as session, client_of("https://a.test", session=session) as c:
        with pytest.raises(ConnectError, match="DNS") as caught:
            await c.publish("job_1")
    assert caught.value.effect == "none"


async def test_a_name_that_cannot_be_encoded_is_refused_when_the_client_is_made() -> None:
    """A label of more than 63 characters is not of any host."""
    with pytest.raises(ConfigurationError, match="does not name a valid host"):
        client_of(f"https://{'a' * 64}.invalid")


async def test_F33_garbage_instead_of_tls_breaks_the_handshake_off_and_shows_no_token() -> None:
    """A server that answers the handshake with something else never sees the token."""
    async with (
        stranger(b"220 mail.example ESMTP ready\r\n") as server,
        client_of(f"https://127.0.0.1:{server.port}") as c,
    ):
        with pytest.raises(ConnectError, match="the TLS handshake broke off") as caught:
            await c.publish("job_1")
        assert caught.value.effect == "none"
        assert server.received
        assert TOKEN.encode() not in server.received


async def test_a_server_that_hangs_up_in_the_handshake_has_changed_nothing() -> None:
    """A connection that ends during the handshake never carried a request."""
    async with stranger(b"") as server, client_of(f"https://127.0.0.1:{server.port}") as client:
        with pytest.raises(ConnectError, match="the TLS handshake broke off") as caught:
            await client.publish("job_1")
        assert caught.value.effect == "none"
        assert TOKEN.encode() not in server.received


async def test_a_handshake_that_stalls_is_bounded_by_the_connect_timeout() -> None:
    """The handshake is part of connecting: when it takes too long nothing was sent."""
    async with (
        stranger(None) as server,
        client_of(f"https://127.0.0.1:{server.port}", connect_timeout=0.05) as client,
    ):
        with pytest.raises(ConnectError, match="in time") as caught:
            await client.publish("job_1")
        assert (type(caught.value), caught.value.effect) == (ConnectError, "none")


async def test_F33_a_self_signed_certificate_is_refused_before_the_token_is_sent(tmp_path: Path) -> None:
    """A server that nobody vouches for gets neither the request nor the token, and is not asked twice."""
    async with peer(sends(answer(live("job_1"))), tls=server_tls(tmp_path)) as server:
        async with client_of(server.url) as client:
            with pytest.raises(TLSError) as caught:
                await client.publish("job_1")
        assert caught.value.effect == "none"
        assert "certificate" in caught.value.message.lower()
        assert server.calls == []
        assert server.connections <= 1


_TO = """
import asyncio, socket, sys
from opentrain_async import AsyncOpenTrain
from opentrain_async.errors import TLSError

async def main(host, port):
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo
    loop.getaddrinfo = lambda _, port, **hints: real("127.0.0.1", port, **hints)
    async with AsyncOpenTrain("ot_pat_x", base_url=f"https://{host}:{port}") as client:
        try:
            print((await client.publish("job_1")).newly_published)
        except TLSError as error:
            print(error.effect, "mismatch" in error.message)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("host", "said"), [("localhost", "True\n"), ("wrong.test", "none True\n")])
async def test_F33_a_sound_certificate_of_another_host_is_refused_by_a_client_of_its_own_session(
    tmp_path: Path, host: str, said: str
) -> None:
    """In a process that trusts the certificate's maker, as all do a public one; the token is not sent."""
    (tmp_path / "trusted.pem").write_text(CERTIFICATE)
    environment = command.environment(more={"SSL_CERT_FILE": str(tmp_path / "trusted.pem")})
    async with peer(sends(answer(live("job_1"))), tls=server_tls(tmp_path)) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _TO, host, str(server.port), env=environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert (out.decode(), len(server.calls)) == (said, said == "True\n")


async def test_a_certificate_that_a_borrowed_session_trusts_is_accepted(tmp_path: Path) -> None:
    """What is trusted is the session's own business: with the certificate known to it, the same server serves."""
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=CERTIFICATE))
    async with (
        peer(sends(answer(live("job_1"))), tls=server_tls(tmp_path)) as server,
        aiohttp.ClientSession(connector=trusting) as session,
        client_of(server.url, session=session) as client,
    ):
        assert (await client.publish("job_1")).newly_published
        assert server.calls[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_waiting_for_a_pooled_connection_in_vain_sends_nothing() -> None:
    """With the only connection taken, a second publish ends as a PoolTimeoutError and never reaches the server."""
    async with peer(sends(then=Then.STALL)) as server, client_of(server.url, max_connections=1) as client:
        first = asyncio.create_task(client.publish("job_1"))
        await server.arrived(1)
        with pytest.raises(PoolTimeoutError, match="no connection in time") as caught:
            await client._transport.send(Request("POST", "/second"), 0.05)
        first.cancel()
        await asyncio.wait({first})
        assert caught.value.effect == "none"
        assert [b"/second" in call.head for call in server.calls] == [False]
        assert server.connections == 1


async def test_a_publish_that_gave_up_its_wait_leaves_the_pool_usable() -> None:
    """A wait for a connection that ended in vain takes no place: the next publish gets the connection."""
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url, max_connections=1) as client:
        for _ in range(3):
            waiting = asyncio.create_task(client.publish("job_1"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        assert (await client.publish("job_1")).job_id == "job_1"
