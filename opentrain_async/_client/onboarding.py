"""The part of the client for the account: who calls, register, claim."""

import asyncio
from typing import Self

import aiohttp
from attrs import evolve

from .._base.clock import Clock
from .._base.fenced_log import logger
from .._base.secret import Secret, sealed
from .._retry.engine import Retrier
from .._retry.policy import RetryPolicy
from .._service import operations
from .._service.call import Api
from .._service.http.transport import transports
from ..errors import ConfigurationError, OpenTrainError, _checks
from ..errors._refusing import refusing
from ..models import Capabilities, Claim, Identity, Registration, TokenGrant
from .account import credentials
from .account.ledger_key import ledger_key
from .account.settings import without_token
from .core import ClientCore, checked_clock, fingerprint


class Onboarding(ClientCore):
    """Registers an account, has it claimed, and says what it may do."""

    async def whoami(self) -> Identity:
        """Who calls: the person, the token and its scopes, and the account. One request; it changes nothing.

        Raises:
            AuthenticationError: The token is missing, invalid, expired or revoked.
            APIError: The service refused otherwise.
            TransportError: No answer.
            UnexpectedResponseError: An answer that cannot be read.
            ClientClosedError: The client is closed.
        """
        return await self._call(operations.whoami())

    async def capabilities(self) -> Capabilities:
        """What is switched on for the account, and what drafts can be made of. One request; it changes nothing.

        From then on this client lets through the draft fields that the service has named beside the documented ones,
        and of its enumerations the values that it has named in the place of those.

        Raises:
            OpenTrainError: As from `whoami`.
        """
        found = await self._call(operations.capabilities())
        self._drafts = found.draft
        return found

    @classmethod
    @refusing
    async def register(
        cls: type[Self],
        *,
        agent_name: str | None = None,
        organization_name: str | None = None,
        base_url: str | None = None,
        save: bool = True,
        force: bool = False,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        session: aiohttp.ClientSession | None = None,
        clock: Clock | None = None,
    ) -> Registration:
        """Make a new account, which may publish 3 drafts a day until a person claims it. It needs no token.

        The tokens are saved where `AsyncOpenTrain()` and the service's own tools look for them, for the eyes of their
        owner only, so ``async with AsyncOpenTrain() as client:`` is what comes next. It is not repeated once it may
        have been done: to do it twice makes two accounts. Cancelled, an account may have been made whose token is lost.

        Args:
            agent_name: What the agent is called, or `None`.
            organization_name: What its organisation is called, or `None`.
            base_url: As in `AsyncOpenTrain`; a saved one is not looked at.
            save: Save the tokens in ``opentrain/cli.json`` in ``$XDG_CONFIG_HOME`` or ``~/.config``.
            force: Do so also where other credentials are saved there, which are lost by that.
            retry: As in `AsyncOpenTrain`.
            timeout: As in `AsyncOpenTrain`.
            connect_timeout: As in `AsyncOpenTrain`.
            session: As in `AsyncOpenTrain`.
            clock: As in `AsyncOpenTrain`.

        Returns:
            The tokens of the account.

        Raises:
            ConfigurationError: An argument cannot be right, there are credentials that *force* would replace, or they
                could not be saved. Nothing was sent.
            RateLimitedError: There were too many registrations lately. No account was made.
            APIError: The service refused. No account was made.
            ServerError: It failed. An account may have been made whose token is lost.
            TransportError: No answer; `effect` says whether an account may have been made.
            UnexpectedResponseError: An answer that cannot be read. An account may have been made.
        """
        address = sealed(base_url)
        del base_url
        body: dict[str, object] = {}
        for argument, value in {"agent_name": agent_name, "organization_name": organization_name}.items():
            if value is not None:
                body[argument] = _checks.name(argument, value)
        _checks.kind("retry", retry, RetryPolicy)
        settings, clock = without_token(address), checked_clock(clock)
        transport = transports(timeout=timeout, connect_timeout=connect_timeout, max_connections=1, session=session)(
            settings.base_url, None
        )
        if save:
            await asyncio.to_thread(credentials.check_writable, force=force)
        try:
            made = await Api(transport, Retrier(retry, clock), clock).call(operations.register(body))
            if save:
                saved = asyncio.to_thread(credentials.save, made, settings.base_url, force=force)
                made = evolve(made, saved_to=await asyncio.shield(saved))
            return made
        finally:
            await transport.close()

    @refusing
    async def start_claim(self, email: str) -> Claim:
        """Begin to have the account claimed by the person with this address. To begin again makes a new code.

        Args:
            email: The address; one that has an account already is refused by the service.

        Returns:
            What the person needs: the page to open, and the code to type in there.

        Raises:
            ConfigurationError: The address cannot be one, or there is no claim token (any more). Nothing was sent.
            BadRequestError: The service refuses the address, or the claim token.
            RateLimitedError: There were too many claims lately.
            APIError: The service refused otherwise.
            TransportError: No answer.
            UnexpectedResponseError: An answer that cannot be read.
            ClientClosedError: The client is closed.
        """
        address = _checks.email("email", email)
        claim = await self._call(operations.start_claim(self._checked_claim_token(), address))
        self._claims.begin(claim.interval, claim.expires_in)
        return claim

    @refusing
    async def wait_for_claim(self, *, timeout: float = 1800.0) -> TokenGrant:
        """Wait until a person has claimed the account, and use the new token from then on.

        The service is asked no sooner than it wants to be. The interval that it names counts from one second up to a
        half of the time for which the claim is valid. The answer revokes the earlier token, and is given once: the new
        one is in use from then on, also for the calls in flight. It takes the earlier one's place in the saved
        credentials, if that is there. The account's publishes are carried over in the ledger, and the limit is learned
        anew (20 a day instead of 3). Cancelled, the last caller waits for an answer in flight, two seconds at most. A
        caller that waits again, or at the same time, gets the same token.

        Args:
            timeout: Seconds, above 0, after which the service is not asked again; half an hour is how long a claim is
                valid. A question that is in flight then finishes.

        Returns:
            The new token. Where `saved_to` is `None`, it is for you to keep.

        Raises:
            ConfigurationError: There is no claim token, or the file with the earlier token cannot be written. Nothing
                was sent.
            ClaimError: The claim has expired, or was not ended in time; `code` says which.
            APIError: The service refused otherwise.
            TransportError: No answer, at the end of that time.
            UnexpectedResponseError: An answer that cannot be read. It may have been the token.
            ClientClosedError: The client is closed.
        """
        self._check_usable()
        _checks.number("timeout", timeout, above=0)
        if self._claims.grant is None:
            claim_token = self._checked_claim_token()
            if await asyncio.to_thread(credentials.holds, claim_token):
                await asyncio.to_thread(credentials.check_writable, force=True)
        return await self._claims.wait(timeout)

    async def _exchange(self) -> TokenGrant:
        """Ask for the token and use it; keep it first of all, as it comes only once."""
        claim_token = self._checked_claim_token()
        counted_by = ledger_key(self._base_url, fingerprint(self._transport.token))
        async with self._transport.renewing():
            grant = await self._call(operations.claimed_token(claim_token))
            self._transport.renew(grant.access_token)
        # Whatever comes now, the token is not lost, nor is what the ledger owes.
        self._claims.grant = grant
        next_key = earlier = self._ledger.account
        if earlier == counted_by:
            next_key = ledger_key(self._base_url, fingerprint(grant.access_token))
        self._owed = (earlier, next_key)
        self._identity.forget()
        saving = asyncio.to_thread(credentials.replace, claim_token, grant.access_token)
        grant = evolve(grant, saved_to=await asyncio.shield(saving))
        try:
            if self._is_account_known:
                await self._carry_over()
        except OpenTrainError:
            logger.warning("the account is claimed; its publishes could not be carried over yet", exc_info=True)
        return grant

    def _checked_claim_token(self) -> Secret:
        if self._claims.grant is not None:
            raise ConfigurationError("the account is claimed, and its claim token used up by that")
        if self._claim_token is None:
            raise ConfigurationError(
                "no claim token: pass claim_token=, or register; a saved one goes with the saved API token only"
            )
        return self._claim_token
