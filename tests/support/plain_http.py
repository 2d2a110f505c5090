"""A sandbox asked over plain HTTP, with none of the client's code in between."""

import io

import aiohttp

from opentrain_async.sandbox import Sandbox

Answered = tuple[int, dict[str, object]]


class Caller:
    """Speaks plain HTTP to a sandbox: none of the client's code is in between."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def publish(self, sandbox: Sandbox, job_id: str, token: str | None = None) -> Answered:
        return await self.post(sandbox, f"/jobs/{job_id}/publish", token)

    async def post(self, sandbox: Sandbox, path: str, token: str | None = None, body: object = None) -> Answered:
        headers = {"Authorization": f"Bearer {token or sandbox.token}"}
        url = f"{sandbox.url}/api/public/v1{path}"
        async with self.session.post(url, headers=headers, json=body, allow_redirects=False) as response:
            payload: dict[str, object] = await response.json()
            return response.status, payload

    async def publish_some(self, sandbox: Sandbox, count: int, token: str | None = None) -> list[int]:
        return [(await self.publish(sandbox, sandbox.draft(token=token), token))[0] for _ in range(count)]


async def ask(sandbox: Sandbox, request: str, body: object = None, token: str | None = None) -> Answered:
    """Ask one thing of a sandbox's public API, such as ``"GET /auth/me"``; a body of bytes goes out as it is."""
    method, path = request.split()
    headers = {"Authorization": f"Bearer {token or sandbox.token}"}
    sent = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{sandbox.url}/api/public/v1{path}", **sent) as response,
    ):
        payload: dict[str, object] = await response.json()
        return response.status, payload
