"""A service whose every answer attacks whatever shows it."""

import json
from collections.abc import Callable, Mapping
from typing import cast

from .claims import GIVEN
from .documented import CLOSED, CREATED, LISTED, LIVE, STILL_INCOMPLETE, UPDATED, Body
from .peers import Call, Peer
from .raw import HOSTILE

_IDS = frozenset({"jobId", "id", "job_id"})
_FLOW = _IDS | {"status", "publishReady", "nextCursor", "access_token", "claim_token", "verification_uri", "createdAt"}
"""What an answer needs so that a command goes on to the next one."""
_IDENTITY: Body = {
    "actor": {"userId": "u", "email": "a@b.example", "firstName": "A", "lastName": "B", "fullName": "A B"},
    "token": {"id": "t", "label": "bot", "scopes": ["jobs:write"], "ownerOrganizationId": "o"},
    "account": {"kind": "employer_organization", "organizationId": "o", "ownerUserId": "u", "memberRole": "OWNER"},
}
_CAPABILITIES: Body = {
    "capabilities": {"publish": True, "draftCreate": True},
    "enabled": True,
    "draft": {"importFormats": ["plain"], "updateKeys": ["jobTitle"], "enums": {"paymentType": ["FIXED_PRICE"]}},
    "featureKey": "f",
    "rolloutMode": "ALL",
}
_CLAIM: Body = {
    "user_code": "123456",
    "verification_uri": "https://app.example/claim?token=ot_cat_claim",
    "expires_in": 1800,
    "interval": 5,
    "email_sent": True,
}
_GRANT: Body = {"access_token": "ot_pat_granted", "token_type": "bearer", "scopes": ["jobs:write"]}
_DETAILS: Body = {
    "jobId": "job_1",
    "reason": "moderation_blocked",
    "reasons": ["Asks for contact details."],
    "status": "ARCHIVED",
    "requiredStatus": "OPEN",
    "requiredScopes": ["jobs:write"],
    "feature": "public_api_job_publishing",
    "issues": [{"code": "invalid_type", "path": ["languages", 1], "message": "Expected string"}],
}
_MISSING = CREATED["api-reference/job-drafts/create"]["missingFields"]

Scene = Callable[[Call], bytes]
"""Answers a request."""


def poisoned(value: object, keep: frozenset[str] = frozenset(), text: str = HOSTILE, key: str = "") -> object:
    """Return a JSON value with a text before each text, in place of each null, and under a new key of each object.

    Args:
        value: The value.
        keep: The keys whose values stay as they are.
        text: The text.
        key: The key of the value.
    """
    if key in keep:
        return value
    match value:
        case dict():
            keys = cast("Mapping[str, object]", value)
            return {**{name: poisoned(item, keep, text, name) for name, item in keys.items()}, text[:100]: text}
        case list():
            return [poisoned(item, keep, text) for item in cast("list[object]", value)]
        case str() | None:
            return f"{text}{value or ''}"
        case _:
            return value


def _body_for(call: Call) -> Body:
    """Return the body of a success, as the service's pages show it."""
    method, target, _ = call.head.decode("latin-1").split(" ", 2)
    path = target.partition("?")[0]
    bodies: Mapping[tuple[str, str], Body] = {
        ("POST", "job-drafts"): CREATED["api-reference/job-drafts/create"],
        ("GET", "capabilities"): _CAPABILITIES,
        ("GET", "me"): _IDENTITY,
        ("GET", "mine"): LISTED,
        ("POST", "publish"): LIVE,
        ("POST", "close"): CLOSED,
        ("POST", "identity"): cast("Body", GIVEN),
        ("POST", "claim"): _CLAIM,
        ("POST", "token"): _GRANT,
    }
    return bodies.get((method, path.rpartition("/")[2])) or (STILL_INCOMPLETE if b"EXPERT" in call.body else UPDATED)


def _answer(status: bytes, body: bytes, *headers: bytes, media_type: bytes = b"application/json") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Type: " + media_type, b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join((*lines, b"", body))


def _succeeds(keep: frozenset[str], text: str = HOSTILE, **changed: object) -> Scene:
    def answer(call: Call) -> bytes:
        body = {**_body_for(call), **changed}
        return _answer(b"200 OK", json.dumps(poisoned(body, keep, text)).encode())

    return answer


def _refuses(status: int, keep: frozenset[str] = frozenset(), text: str = HOSTILE, **details: object) -> Scene:
    envelope = {
        "error": "No.", "code": "BAD_REQUEST", "requestId": "r-1", "error_description": "No.",
        "details": {**_DETAILS, **details},
    }  # fmt: skip
    oauth = {"error": "invalid_request", "error_description": "No."}

    def answer(call: Call) -> bytes:
        is_oauth = b"/api/agent/" in call.head
        body = poisoned(oauth, frozenset({"error"}), text) if is_oauth else poisoned(envelope, keep, text)
        return _answer(b"%d Refused" % status, json.dumps(body).encode())

    return answer


def _sends(answer: bytes) -> Scene:
    return lambda _: answer


_PAGE = HOSTILE.encode(errors="replace") * 3
_IN_A_HEADER = HOSTILE.encode("utf-8", "replace").translate(None, b"\r\n\0")
_VISIBLE = _IN_A_HEADER.translate(None, bytes([*range(32), 127]))  # what a parser of HTTP lets through
_LONG = "EVIL" * 4_000
SCENES: Mapping[str, Scene] = {
    "each text": _succeeds(_FLOW),
    "each text and state": _succeeds(_IDS),
    "each text and id": _succeeds(frozenset()),
    "long texts": _succeeds(_FLOW, _LONG),
    "a state": _succeeds(_FLOW - {"status"}),
    "of another job": _succeeds(frozenset(), jobId="job_2"),
    "not ok": _succeeds(frozenset(), ok=False),
    "not ready": _refuses(400, validation={"publishReady": False, "missingFields": _MISSING}),
    "not valid": _refuses(400),
    "moderation": _refuses(403, frozenset({"reason"})),
    "a long refusal": _refuses(403, frozenset(), "x" * 100_000),
    "the quota": _refuses(429, windowHours=24, limit=20),
    "a page": _sends(_answer(b"200 OK", _PAGE, media_type=b"text/html")),
    "a proxy's page": _sends(_answer(b"404 Not Found", _PAGE, media_type=_VISIBLE)),
    "a redirect": _sends(_answer(b"302 Found", _PAGE, b"Location: https://" + _VISIBLE + b"/" + _VISIBLE)),
    "headers": _sends(_answer(b"500 " + _VISIBLE, b"{}", b"Retry-After: " + _VISIBLE, b"X-Request-Id: " + _VISIBLE)),
    "not HTTP": _sends(b"HTTP/1.1 200 OK\r\n" + _IN_A_HEADER + b"\r\n\r\n"),
    "not HTTP at all": _sends(_PAGE + b"\r\n\r\n"),
    **{f"a {status}": _refuses(status) for status in (401, 402, 403, 404, 407, 409, 418, 423, 429, 500, 503)},
}
"""By their names, the ways in which the service answers everything that it is asked."""


class HostileService(Peer):
    """Such a service, which answers as in its scene.

    Attributes:
        scene: One of `SCENES`.
    """

    def __init__(self) -> None:
        super().__init__(self._respond)
        self.scene: Scene = SCENES["each text"]

    async def _respond(self, call: Call) -> None:
        call.writer.write(self.scene(call))
