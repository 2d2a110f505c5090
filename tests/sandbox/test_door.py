"""The sandbox's door: no page of another origin comes in, nothing too long, and what browsers ask harms no test."""

import asyncio
import json
from collections.abc import Iterable, Mapping

import pytest

from opentrain_async.sandbox import Fault, Sandbox, UnknownRouteError
from opentrain_async.sandbox._http.door import MOST_BYTES

from ..support.peers import read_message

REGISTER = "POST /api/agent/identity"


async def said(
    sandbox: Sandbox,
    line: str,
    *headers: str,
    body: bytes = b"{}",
    hosts: Iterable[str] = ("{own}",),
    version: str = "1.1",
) -> tuple[int, Mapping[str, object]]:
    """Send a request as it stands, in which ``{own}`` is the sandbox's address; return the status and the body."""
    own = sandbox.url.removeprefix("http://")
    lines = [f"{line} HTTP/{version}", *(f"Host: {host}" for host in hosts), *headers]
    if not any(header.startswith("Transfer-Encoding") for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).replace("{own}", own).replace("{port}", own.partition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", int(own.partition(":")[2]))
    writer.write(f"{head}\r\n\r\n".encode() + body)
    head_of_answer, content = await read_message(reader)
    writer.close()
    status = int(head_of_answer.split()[1])
    return status, json.loads(content) if content[:1] == b"{" else {}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "LocalHost:{port}",
        "[::1]:{port}",
        "localhost",
        "127.0.0.1:80",
        "[::1]:1",
    ],
)
async def test_the_sandbox_answers_to_the_names_of_this_machine(sandbox: Sandbox, host: str) -> None:
    """In capitals or not; also with another port, as behind a proxy or a container's."""
    status, body = await said(sandbox, REGISTER, f"Origin: http://{host}", hosts=[host])
    assert (status, str(body["access_token"])[:7]) == (200, "ot_pat_")
    assert sandbox.requests[0].status == 200


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.example"], ["evil.example:{port}"], ["localhost:{port}1"], ["localhost:"], ["localhost:x"],
        ["localhost.evil.example:{port}"], ["127.0.0.1.evil.example:{port}"], ["127.0.0.1:{port}.evil.example"],
        ["evil.example@127.0.0.1:{port}"], ["127.0.0.1:{port}@evil.example"], ["127.0.0.1:{port}/evil.example"],
        ["127.0.0.2:{port}"], ["127.1:{port}"], ["0.0.0.0:{port}"], ["[::]:{port}"], ["::1:{port}"],
        ["localhost.:{port}"], ["[::1"], [""], [":{port}"],
        ["127.0.0.1:{port}, evil.example"], ["evil.example, 127.0.0.1:{port}"],
    ],
    ids=str,
)  # fmt: skip
async def test_a_request_for_another_host_gets_no_account(sandbox: Sandbox, hosts: list[str]) -> None:
    """As of a page whose name was made to lead here; it is not counted, and says where the sandbox is."""
    status, body = await said(sandbox, REGISTER, hosts=hosts)
    assert (status, body["code"]) == (421, "FORBIDDEN")
    assert "127.0.0.1, localhost" in str(body["error"])
    assert str(body["requestId"])
    assert sandbox.requests == []


async def test_a_request_that_names_two_hosts_gets_no_account(sandbox: Sandbox) -> None:
    """In two headers, or in the line of the request and in a header; nor does one that names none."""
    assert (await said(sandbox, REGISTER, hosts=["{own}", "evil.example"]))[0] == 400
    assert (await said(sandbox, REGISTER, hosts=[]))[0] == 400
    assert (await said(sandbox, REGISTER, hosts=[], version="1.0"))[0] in {400, 421}
    assert (await said(sandbox, f"POST http://evil.example{REGISTER[5:]}"))[0] == 421
    assert (await said(sandbox, f"POST http://{{own}}{REGISTER[5:]}"))[0] == 200
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "http://evil.example:{port}", "null", "", "https://{own}", "http://127.0.0.1",
        "http://localhost", "http://localhost:3000", "http://{own}.evil.example", "http://{own}/", "{own}", "file://",
        "chrome-extension://abc", "http://evil.example@{own}", "http://{own} https://evil.example",
    ],
)  # fmt: skip
async def test_a_page_of_another_origin_gets_no_account(sandbox: Sandbox, origin: str) -> None:
    """Nor one of a file, nor one of another port."""
    sandbox.fault(Fault.RESET, on="register")
    for request in (REGISTER, "OPTIONS /api/agent/identity", "GET /claim?token=x", "POST /claim"):
        status, body = await said(sandbox, request, f"Origin: {origin}")
        assert (status, body["code"]) == (403, "FORBIDDEN")
    assert sandbox.requests == []


async def test_a_page_of_another_origin_beside_the_sandbox_s_own_gets_no_account(sandbox: Sandbox) -> None:
    """Each of several headers counts."""
    assert (await said(sandbox, REGISTER, "Origin: http://{own}", "Origin: https://evil.example"))[0] == 403


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("same-origin", "cors", 200), ("none", "navigate", 200), ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403), ("cross-site", "navigate", 403), ("anything", "cors", 403),
    ],
)  # fmt: skip
async def test_what_the_browser_says_of_a_page_counts(sandbox: Sandbox, site: str, mode: str, status: int) -> None:
    """Also where it sends no Origin."""
    answered = await said(sandbox, REGISTER, f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}")
    assert answered[0] == status


async def test_a_link_to_the_page_of_a_claim_may_be_followed_from_anywhere(sandbox: Sandbox) -> None:
    """As out of a mail; the form is then sent by the sandbox's own page, and by no other."""
    _, made = await said(sandbox, REGISTER)
    start = json.dumps({"claim_token": made["claim_token"], "email": "ada@example.com"}).encode()
    _, claim = await said(sandbox, "POST /api/agent/identity/claim", body=start)
    page = str(claim["verification_uri"]).removeprefix(sandbox.url)
    followed = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
    assert (await said(sandbox, f"GET {page}", *followed, body=b""))[0] == 200
    form = f"token={page.partition('=')[2]}&user_code={claim['user_code']}".encode()
    assert (await said(sandbox, "POST /claim", *followed, "Origin: https://evil.example", body=form))[0] == 403
    assert (await said(sandbox, "POST /claim", *followed, body=form))[0] == 403
    assert (await said(sandbox, "POST /claim", "Sec-Fetch-Site: same-origin", "Origin: http://{own}", body=form))[
        0
    ] == 200


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_of_more_than_a_mebibyte_is_refused(sandbox: Sandbox, is_chunked: bool) -> None:
    """Of that many bytes it is read, as is any shorter one; how long it is may be said before or not."""
    for length, status in ((MOST_BYTES, 200), (MOST_BYTES + 1, 413)):
        content = b'{"agent_name": "x"' + b" " * (length - 19) + b"}"
        assert len(content) == length
        if is_chunked:
            chunks = [content[begin : begin + 60_000] for begin in range(0, length, 60_000)]
            sent = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n\r\n"
            answered, body = await said(sandbox, REGISTER, "Transfer-Encoding: chunked", body=sent)
        else:
            answered, body = await said(sandbox, REGISTER, body=content)
        assert answered == status
        assert status == 200 or body["code"] == "PAYLOAD_TOO_LARGE"
    assert len(sandbox.requests) == 1


async def test_a_body_that_is_said_to_be_huge_is_not_waited_for(sandbox: Sandbox) -> None:
    """The refusal comes before the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    own = sandbox.url.removeprefix("http://")
    writer.write(f"{REGISTER} HTTP/1.1\r\nHost: {own}\r\nContent-Length: {10**15}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.parametrize(
    "path",
    [
        "/", "/?utm=x", "/favicon.ico", "/favicon.svg", "/apple-touch-icon.png",
        "/apple-touch-icon-120x120-precomposed.png",
        "/android-chrome-192x192.png", "/mstile-150x150.png", "/robots.txt", "/ads.txt", "/humans.txt", "/security.txt",
        "/sitemap.xml", "/browserconfig.xml", "/manifest.json", "/site.webmanifest", "/.well-known/security.txt",
        "/.well-known/appspecific/com.chrome.devtools.json",
    ],
)  # fmt: skip
async def test_what_browsers_and_scanners_ask_by_themselves_fails_no_test(path: str) -> None:
    """It is answered by 404, and is not among the requests."""
    async with Sandbox() as sandbox:
        status, body = await said(sandbox, f"GET {path}", body=b"")
        assert (status, body["code"]) == (404, "NOT_FOUND")
        assert (await said(sandbox, f"GET {path}", hosts=["evil.example"], body=b""))[0] == 421
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/public/v1/job/mine", "POST /api/public/v1/job-draft", "GET /api", "GET /api/favicon.ico", "POST /",
        "POST /favicon.ico", "GET /nowhere", "GET /api/public/v1/.well-known/x", "GET //favicon.ico",
        "DELETE /robots.txt",
    ],
)  # fmt: skip
async def test_what_a_program_asks_in_vain_still_fails_the_test(line: str) -> None:
    """A typo below the API's path, and what no browser asks by itself."""
    with pytest.raises(UnknownRouteError):
        async with Sandbox() as sandbox:
            assert (await said(sandbox, line, body=b""))[0] == 501
