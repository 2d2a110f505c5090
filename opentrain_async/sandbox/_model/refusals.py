"""Calls, and the two shapes of a refusal: the public API's envelope, and OAuth's."""

import json
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import parse_qsl

from attrs import frozen

Body = Mapping[str, object]


@frozen
class Call:
    """What of a request the service looks at.

    Attributes:
        now: When it is served, in epoch seconds.
        authorization: The value of its Authorization header, or `None`.
        job_id: The job that its path names; empty where none is named.
        query: Its query.
        content: Its body.
    """

    now: float
    authorization: str | None = None
    job_id: str = ""
    query: Mapping[str, str] = {}
    content: bytes = b""


class RefusedError(Exception):
    """The service refuses a call, or fails.

    Args:
        status: The HTTP status.
        code: One of the documented codes.
        text: What is said to people.
        details: What is said to programs.
    """

    def __init__(self, status: int, code: str, text: str, details: Body | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.details = details

    def body(self, request_id: str) -> Body:
        """The envelope that every refusal of the public API has."""
        return {"error": self.text, "code": self.code, "requestId": request_id, "details": self.details or {}}


class AgentRefusedError(RefusedError):
    """One of the endpoints of agents refuses a call: they speak as OAuth does."""

    def body(self, request_id: str) -> Body:  # noqa: ARG002 - OAuth's shape has no place for it
        """The code and its description."""
        return {"error": self.code, "error_description": self.text}


def failure(status: int) -> RefusedError:
    """What an endpoint of the public API says when it fails for reasons of its own."""
    return RefusedError(status, "RATE_LIMITED" if status == 429 else "INTERNAL_ERROR", "Not now.")


def agent_failure(status: int) -> RefusedError:
    """What an endpoint of agents says when it fails for reasons of its own."""
    return AgentRefusedError(status, "rate_limit_exceeded" if status == 429 else "server_error", "Not now.")


def issue(code: str, path: Sequence[str | int], message: str) -> Body:
    """What is wrong with one place of a body."""
    return {"code": code, "path": list(path), "message": message}


def bad_body(*issues: Body) -> RefusedError:
    """The refusal of a body that is not as it should be."""
    return RefusedError(400, "BAD_REQUEST", "The body is not valid.", {"issues": list(issues)})


def json_object(content: bytes) -> dict[str, object]:
    """The object that a body holds.

    Raises:
        RefusedError: It holds none.
    """
    try:
        value: object = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_body(issue("custom", [], "The body is not JSON.")) from None
    if not isinstance(value, dict):
        raise bad_body(issue("invalid_type", [], "Expected an object."))
    return cast("dict[str, object]", value)


def form(content: bytes) -> dict[str, str]:
    """The fields of a body that is form-encoded; of another body, what can be read as one."""
    return dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))


def _no_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python would read and which JSON does not know."""
    raise ValueError(name)
