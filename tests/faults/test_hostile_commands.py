"""Hostile text in every answer, argument, file and variable, through every command, on a terminal and in a pipe."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import click
import pytest

from opentrain_async._cli.group import main
from opentrain_async._client.account.settings import BASE_URL_VARIABLES, TOKEN_VARIABLES

from ..support.fork_server import ForkServer, Shown, Where, fork_server
from ..support.hostile_service import SCENES, HostileService
from ..support.peers import serving
from ..support.raw import HOSTILE, NAMEABLE, TOKEN, raw_in, without_paint

ARGUMENT, LABEL = (text.replace("\0", "").replace("\ud800\udfff", "\udc80\udcff") for text in (HOSTILE, NAMEABLE))
"""What a command line can have of them: bytes that are not UTF-8 come as surrogates."""
NAME = "\x1b[2J\x1b]8;;x\x07\u202e\u200b\udcff\x9b7m\ufe0f[red]x[/red]\n%s"
"""A file can have this name."""
ANSWERS = {HOSTILE: HOSTILE, "experienceLevel": HOSTILE}
TYPED = "bogus\x1b[2J\n\n\nx\n" + "\x04" * 3
TRIALS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "claim": (("--email", "ada@example.com", "--timeout", "0.01"), ("--email", "a@b.example", "--no-wait")),
    "demo": (),
    "drafts": ((), ("--json",), ("--status", "all")),
    "plan": (("job_1", ARGUMENT), ("--all-drafts", "--json"), ("--all-drafts", "--file", "{ids}")),
    "post": (
        ("--file", "{description}"),
        ("--file", "{description}", "--json"),
        ("--file", "{description}", "--answers", "{answers}", "--idempotency-key", LABEL),
    ),
    "publish": (
        ("job_1", ARGUMENT, "--outage-patience", "0"),
        ("job_1", ARGUMENT, "--journal", "{journal}"),
        ("--all-drafts", "--preflight", "--json"),
        ("job_1", "--file", "{ids}", "--journal", "{journal}", "--again", "--json"),
    ),
    "quota": ((), ("--json",)),
    "register": (("--agent-name", LABEL, "--org-name", LABEL, "--force"),),
    "sandbox": (),
    "whoami": ((), ("--json",)),
}
"""The arguments with which each command is tried in every scene; `demo` and `sandbox` do not know the service."""
SURROUNDINGS: tuple[tuple[Where, Mapping[str, str]], ...] = (
    ("all", {"TERM": "xterm-256color"}),
    ("none", {"LANG": "C.UTF-8"}),
    ("all", {"TERM": "dumb", "NO_COLOR": "1"}),
    ("none", {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}),
    ("stderr", {"TERM": "xterm-256color"}),
)
"""Which streams are a terminal's, and which variables are set."""


class Stage:
    """A folder with hostile files and a service, for commands to be run in.

    Attributes:
        service: The service.
        files: The paths of the files by what stands for them in arguments.
        runs: How many commands were run.
    """

    def __init__(self, folder: Path, service: HostileService, server: ForkServer) -> None:
        self.service = service
        self.runs = 0
        self._server = server
        home = folder / NAME
        self._credentials = home / "opentrain" / "cli.json"
        self._credentials.parent.mkdir(parents=True)
        self.files = {f"{{{name}}}": str(home / name) for name in ("ids", "description", "answers", "journal")}
        for name, content in (("ids", ARGUMENT), ("description", "cats"), ("answers", json.dumps(ANSWERS))):
            (home / name).write_text(content, encoding="utf-8", errors="surrogateescape")
        ours = dict.fromkeys(BASE_URL_VARIABLES, service.url)
        self._env = {**ours, "HOME": str(folder), "XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)}

    async def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, interrupt_at: str | None = None
    ) -> Shown:
        """Run a command in the next of the surroundings, and see that it shows nothing raw."""
        terminal, surroundings = SURROUNDINGS[(self.runs + self.runs // len(SURROUNDINGS)) % len(SURROUNDINGS)]
        self.runs += 1
        saved = {"apiToken": TOKEN, "claimToken": "ot_clm_held", "baseUrl": self.service.url, HOSTILE: HOSTILE}
        self._credentials.write_text(json.dumps(saved))
        everything = {**self._env, **surroundings, **(env or {})}
        given = [self.files.get(argument, argument) for argument in arguments]
        shown = await self._server.run(
            *given, env=everything, typed=TYPED, terminal=terminal, interrupt_at=interrupt_at
        )
        encoding = everything.get("PYTHONIOENCODING", "utf-8")
        text = without_paint((shown.out + shown.err).decode(encoding))
        said = (arguments, surroundings, text[-3000:])
        assert shown.status in {0, 1, 2, 3, 130}, said
        assert text.strip(), said
        if "--json" in arguments and terminal != "all":
            for line in shown.out.decode("ascii").splitlines():
                assert json.loads(line), said
                assert line.isprintable(), said
        assert raw_in(text, longest=100_000 if "--json" in arguments else 10_000) == [], said
        return shown


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage for commands."""
    async with fork_server() as server, serving(HostileService()) as service:
        yield Stage(tmp_path, service, server)


def params_of(command: click.Command) -> list[click.Parameter]:
    """Return the parameters of a command that take a value, of whatever type."""
    return [param for param in command.params if not (isinstance(param, click.Option) and param.is_flag)]


def test_F70_each_command_is_tried() -> None:
    """One that is added is a way out, too."""
    assert set(TRIALS) == set(main.commands)


@pytest.mark.parametrize("command", [name for name, trials in TRIALS.items() if trials])
async def test_F70_no_answer_shows_anything_raw(stage: Stage, command: str) -> None:
    """Whatever the service says, in each field of each kind of answer."""
    for scene in SCENES.values():
        stage.service.scene = scene
        for trial in TRIALS[command]:
            await stage.run(command, *trial)
    assert stage.runs == len(SCENES) * len(TRIALS[command])
    assert (len(stage.service.calls) >= len(SCENES)) is (command != "quota")


@pytest.mark.parametrize("command", list(TRIALS))
async def test_F70_no_argument_shows_anything_raw(stage: Stage, command: str) -> None:
    """Each option and argument with a hostile text, with a hostile file, and one that does not exist."""
    tried = 0
    for param in params_of(main.commands[command]):
        before = param.opts[:1] if isinstance(param, click.Option) else []
        for value in (ARGUMENT, LABEL, NAME, *stage.files.values(), "\x1b[2J://x", "redis://\x1b[2J", "\u202e:x"):
            tried += 1
            await stage.run(command, *before, value)
    await stage.run(command, f"--{ARGUMENT}")
    await stage.run(ARGUMENT)
    await stage.run(f"--{ARGUMENT}", command)
    assert stage.runs == tried + 3


@pytest.mark.parametrize("command", [name for name, trials in TRIALS.items() if trials])
async def test_F70_no_variable_shows_anything_raw(stage: Stage, command: str) -> None:
    """Nor does a file in a folder that a variable names, or one that cannot be read."""
    broken = Path(stage.files["{answers}"]).parent / "broken"
    (broken / "opentrain").mkdir(parents=True)
    (broken / "opentrain" / "cli.json").write_text(ARGUMENT, errors="surrogateescape")
    for name in (*TOKEN_VARIABLES, *BASE_URL_VARIABLES, "OPENTRAIN_ASYNC_LEDGER", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        for value in (ARGUMENT, NAME, "https://\u202e.example", f"redis://{ARGUMENT}@\x1b[2J", str(broken)):
            await stage.run(command, *TRIALS[command][0], env={name: value})


@pytest.mark.parametrize("command", [name for name, trials in TRIALS.items() if not trials])
async def test_F70_a_command_without_the_service_shows_nothing_raw(stage: Stage, command: str) -> None:
    """It is told only by what the sandbox says, on a terminal and in a pipe."""
    for _ in SURROUNDINGS:
        options = ("--port", "0") if command == "sandbox" else ()
        shown = await stage.run(command, *options, interrupt_at="publish job_1" if command == "sandbox" else None)
        assert shown.status == 0
