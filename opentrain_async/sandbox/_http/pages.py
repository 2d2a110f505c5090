"""The pages on which a person claims an account that an agent has made."""

import html

from ..._base.text import one_line
from .._model.agents import PAGE, Agents, Attempt
from .._model.refusals import Call, form

_LAYOUT = "<!doctype html><meta charset=utf-8><title>Claim an account</title><h1>Claim an account</h1>{}\n"

Page = tuple[int, str]
"""A status and a page of HTML."""


def show_claim(agents: Agents, call: Call) -> Page:
    """`GET /claim?token=…`: a form for the code."""
    attempt = _attempt(agents, call.query.get("token", ""), call.now)
    return _gone() if attempt is None else (200, _form(attempt))


def approve_claim(agents: Agents, call: Call) -> Page:
    """`POST /claim`: the form, filled in."""
    given = form(call.content)
    attempt = _attempt(agents, given.get("token", ""), call.now)
    if attempt is None:
        return _gone()
    if given.get("user_code", "").strip() != attempt.user_code:
        return 400, _form(attempt, "<p>That is not the code.</p>")
    attempt.approved = True
    return 200, _LAYOUT.format("<p>The account is yours. The agent goes on by itself.</p>")


def _attempt(agents: Agents, token: str, now: float) -> Attempt | None:
    return next((attempt for attempt in agents.open_attempts(now) if attempt.token == token), None)


def _gone() -> Page:
    return 404, _LAYOUT.format("<p>This claim is unknown, has ended or was started anew.</p>")


def _form(attempt: Attempt, notice: str = "") -> str:
    return _LAYOUT.format(
        f"{notice}<form method=post action={PAGE}>"
        f'<input type=hidden name=token value="{html.escape(attempt.token)}">'
        f"<label>The code that the agent shows to {html.escape(one_line(attempt.email))}: "
        "<input name=user_code inputmode=numeric autocomplete=one-time-code></label>"
        "<button>Claim</button></form>"
    )
