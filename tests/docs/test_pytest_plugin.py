"""The pytest plugin, in runs of pytest of its own: what it brings to a bot's tests, and what it does not to others'.

It knows nothing of the other tests: those marked as smoke are run against the installed wheel as well.
"""

import pytest

pytest_plugins = ["pytester"]

STRICT = ["-p", "no:cacheprovider", "-W", "error"]
QUIET = [*STRICT, "-o", "asyncio_default_fixture_loop_scope=function"]
BOT = """
import pytest
from opentrain_async import AsyncOpenTrain

@pytest.mark.asyncio
async def test_a_bot(opentrain_sandbox):
    job_id = opentrain_sandbox.draft()
    async with AsyncOpenTrain() as client:
        assert (await client.publish(job_id)).newly_published
    assert opentrain_sandbox.live == (job_id,)

@pytest.mark.asyncio
async def test_a_virtual_day(opentrain_sandbox, opentrain_client):
    ids = [opentrain_sandbox.draft() for _ in range(21)]
    assert len((await opentrain_client.publish_many(ids)).deferred) == 1
    opentrain_sandbox.advance(hours=24)
    assert len((await opentrain_client.publish_many(ids)).published) == 1
"""
WHAT_IS_LOADED = """
import sys

def test_what_is_loaded():
    print("ours:", *sorted(name for name in sys.modules if name.startswith("opentrain_async")))
    slow = {"aiohttp", "attr", "cattrs", "multidict", "tenacity", "yarl"}
    print("slow:", *sorted(slow & sys.modules.keys()))
"""


@pytest.fixture(autouse=True)
def no_options_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the run that tests this was called with is nothing to the runs that it makes."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "options",
    [
        ["--asyncio-mode=strict"],
        ["--asyncio-mode=auto"],
        ["-o", "asyncio_default_fixture_loop_scope=session", "-o", "asyncio_default_test_loop_scope=session"],
    ],
    ids=["strict", "auto", "one loop"],
)
def test_a_bot_is_tested_in_each_mode_of_pytest_asyncio(pytester: pytest.Pytester, options: list[str]) -> None:
    """Also where a warning is an error, and where all tests of a session share an event loop."""
    pytester.makepyfile(BOT)
    pytester.runpytest_subprocess(*QUIET, *options).assert_outcomes(passed=2)


def test_a_bot_is_tested_by_several_processes(pytester: pytest.Pytester) -> None:
    """Each of its tests has a sandbox of its own, whichever process of pytest-xdist it is in."""
    pytest.importorskip("xdist")
    pytester.makepyfile(BOT)
    pytester.runpytest_subprocess(*QUIET, "-n2").assert_outcomes(passed=2)


def test_plugins_can_be_named_where_none_is_loaded_by_itself(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names that the two have for that."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(BOT)
    plugins = ["-p", "opentrain_async", "-p", "pytest_asyncio.plugin"]
    pytester.runpytest_subprocess(*QUIET, *plugins).assert_outcomes(passed=2)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("options", "module"), [(QUIET, "fixtures"), ([*STRICT, "-p", "no:asyncio"], "namesakes")], ids=["with", "without"]
)
def test_a_run_that_has_nothing_to_do_with_it_imports_nothing_of_it(
    pytester: pytest.Pytester, options: list[str], module: str
) -> None:
    """But the plugin itself, whether pytest-asyncio is there or not: neither the client nor what it stands on."""
    pytester.makepyfile(WHAT_IS_LOADED)
    run = pytester.runpytest_subprocess("-s", *options)
    run.assert_outcomes(passed=1)
    plugin = "opentrain_async._pytest_plugin"
    ours = [
        "opentrain_async",
        plugin,
        *sorted([f"{plugin}.plugin", f"{plugin}.{module}", f"{plugin}.responses"]),
        "opentrain_async._version",
    ]
    run.stdout.fnmatch_lines([f"*ours: {' '.join(ours)}", "slow:"])


@pytest.mark.smoke
def test_a_run_without_the_plugin_imports_nothing_at_all(pytester: pytest.Pytester) -> None:
    """It can be switched off by the name of the package."""
    pytester.makepyfile(WHAT_IS_LOADED)
    run = pytester.runpytest_subprocess("-s", *QUIET, "-p", "no:opentrain_async")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(["*ours:", "slow:"])


@pytest.mark.parametrize("fixture", ["opentrain_sandbox", "opentrain_client"])
def test_without_pytest_asyncio_a_fixture_says_that_it_needs_it(pytester: pytest.Pytester, fixture: str) -> None:
    """In one line, and to nobody else: other tests of the run pass."""
    pytester.makepyfile(f"def test_a_bot({fixture}): pass\ndef test_else(): pass")
    run = pytester.runpytest_subprocess(*STRICT, "-p", "no:asyncio")
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(["opentrain_sandbox needs pytest-asyncio, which is absent or switched off: pip install *"])
    assert "Traceback" not in run.stdout.str()


def test_without_aioresponses_its_fixture_says_that_it_needs_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, and in a run that has neither pytest-asyncio nor need of it."""
    pytester.makepyfile(conftest="import sys; sys.modules['aioresponses'] = None")
    pytester.makepyfile("def test_a_bot(opentrain_aioresponses): pass")
    run = pytester.runpytest_subprocess(*STRICT, "-p", "no:asyncio")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["opentrain_aioresponses needs aioresponses: pip install aioresponses"])


def test_who_would_wait_for_answers_in_vain_is_told(pytester: pytest.Pytester) -> None:
    """A test that runs in another event loop than the sandbox, or in none, is not left to its timeouts."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.asyncio(loop_scope="module")
        async def test_of_another_loop(opentrain_client): pass

        async def test_not_marked(opentrain_client): pass

        def test_not_async(opentrain_client): pass
    """)
    run = pytester.runpytest_subprocess(*QUIET)
    run.assert_outcomes(errors=3)
    run.stdout.fnmatch_lines([
        "*of scope 'function', and this test runs in one of scope 'module': give both the same, *",
        "*ERROR at setup of test_not_marked*",
        "*write this one as 'async def', and mark it with @pytest.mark.asyncio *",
        "*ERROR at setup of test_not_async*",
        "*write this one as 'async def', and mark it with @pytest.mark.asyncio *",
    ])


def test_what_the_sandbox_does_not_serve_fails_the_test(pytester: pytest.Pytester) -> None:
    """A bot that asks for something else is told at the end of its test."""
    pytester.makepyfile("""
        import aiohttp
        import pytest

        @pytest.mark.asyncio
        async def test_a_bot(opentrain_sandbox):
            async with aiohttp.ClientSession() as session, session.get(f"{opentrain_sandbox.url}/nowhere"):
                pass
    """)
    run = pytester.runpytest_subprocess(*QUIET)
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(["*UnknownRouteError: the sandbox does not serve GET /nowhere*"])


@pytest.mark.parametrize("fixture", ["opentrain_sandbox", "opentrain_aioresponses"])
def test_all_is_as_before_once_the_test_is_over(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixture: str
) -> None:
    """The environment and what was replaced, though the test has set the same variables before, later, or both."""
    monkeypatch.setenv("OPENTRAIN_ASYNC_LEDGER", "redis://of.the.user/0")
    for name in ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN", "OT_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(f"""
        import os
        import pytest
        from aioresponses import core
        from opentrain_async._client import core as client_core

        def now():
            environment = {{name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}}
            return environment, client_core.SystemClock, core.ClientResponse

        BEFORE = now()

        @pytest.fixture
        def user(monkeypatch):
            for name in ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN"):
                monkeypatch.setenv(name, "ot_pat_of_the_user")

        @pytest.mark.asyncio
        @pytest.mark.parametrize("undoes", [False, True])
        async def test_a_bot(user, {fixture}, monkeypatch, undoes):
            ours = now()
            monkeypatch.setenv("OT_API_TOKEN", "another")
            monkeypatch.setenv("OPENTRAIN_ASYNC_LEDGER", "another")
            monkeypatch.setenv("OT_API_BASE_URL", "another")
            if undoes:
                monkeypatch.undo()
                assert now() == ours
                monkeypatch.setenv("OT_API_TOKEN", "yet another")

        def test_after_it():
            assert now() == BEFORE
    """)
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    "names", ["opentrain_sandbox, opentrain_aioresponses", "opentrain_aioresponses, opentrain_client"]
)
def test_a_test_that_has_both_is_told_to_choose(pytester: pytest.Pytester, names: str) -> None:
    """In one line, whichever comes first: the answers of one would keep every request from the other."""
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.asyncio
        async def test_a_bot({names}): pass
    """)
    run = pytester.runpytest_subprocess(*QUIET)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["choose one: opentrain_sandbox answers requests, and opentrain_aioresponses replaces *"])
    assert "Traceback" not in run.stdout.str()


@pytest.mark.parametrize(("scope", "passed"), [("module", 1), ("function", 0)])
def test_a_loop_is_known_by_its_older_name_too(pytester: pytest.Pytester, scope: str, passed: int) -> None:
    """pytest-asyncio, which warns of it, still runs a test in the loop of ``scope=``."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.asyncio(scope="module")
        async def test_a_bot(opentrain_client): pass
    """)
    loop = f"asyncio_default_fixture_loop_scope={scope}"
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", loop)
    run.assert_outcomes(passed=passed, errors=1 - passed)


def test_the_loop_of_fixtures_may_be_that_of_their_scope(pytester: pytest.Pytester) -> None:
    """Which pytest-asyncio names so since 1.5, and which is the test's own here."""
    pytest.importorskip("pytest_asyncio", minversion="1.5")
    pytester.makepyfile(BOT)
    loop = "asyncio_default_fixture_loop_scope=fixture-scope"
    pytester.runpytest_subprocess(*STRICT, "-o", loop).assert_outcomes(passed=2)


def test_each_fixture_is_explained(pytester: pytest.Pytester) -> None:
    """In pytest's own list of them."""
    listed = pytester.runpytest_subprocess("--fixtures", *QUIET).stdout
    listed.fnmatch_lines(["opentrain_sandbox *", "*A local OpenTrain*", "opentrain_client *", "*A client of *"])
    listed.fnmatch_lines(["opentrain_aioresponses *", "*for as long as the test lasts*"])
