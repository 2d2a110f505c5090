"""What is published: the wheel holds the package and nothing else, and from the source distribution the tests run."""

import configparser
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BESIDE_THE_CODE = {"README.md", "CHANGELOG.md", ".github/SECURITY.md", "pyproject.toml", "PKG-INFO", ".gitignore"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, as the build tool makes them of these sources."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-W", "error", "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.PIPE, text=True)
    return folder


@pytest.fixture
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel, opened."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """What installers and the index read of the wheel."""
    return Parser().parsestr(wheel.read(f"{dist_info(wheel)}/METADATA").decode())


def dist_info(wheel: zipfile.ZipFile) -> str:
    """The name of the folder of the wheel's metadata."""
    (name,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    return name


def sources(folder: str) -> set[str]:
    """The files in a folder of the checkout, by their names from its root, without what Python keeps beside them."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Each module, and the mark that it has types; beside them the metadata, with the licence."""
    about = dist_info(wheel)
    package = {name for name in wheel.namelist() if not name.startswith(about)}
    assert package == sources("opentrain_async") - {"opentrain_async/LICENSE"}
    assert {name for name in package if not name.endswith(".py")} == {"opentrain_async/py.typed"}
    assert {name.removeprefix(f"{about}/") for name in set(wheel.namelist()) - package} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/opentrain_async/LICENSE",
    }  # fmt: skip
    assert "Permission is hereby granted" in wheel.read(f"{about}/licenses/opentrain_async/LICENSE").decode()


def test_the_wheel_brings_a_command_and_a_plugin(wheel: zipfile.ZipFile) -> None:
    """By which a shell and pytest find them."""
    points = configparser.ConfigParser()
    points.read_string(wheel.read(f"{dist_info(wheel)}/entry_points.txt").decode())
    assert {group: dict(points[group]) for group in points.sections()} == {
        "console_scripts": {"opentrain-async": "opentrain_async._cli:main"},
        "pytest11": {"opentrain_async": "opentrain_async._pytest_plugin"},
    }


def test_the_metadata_says_what_is_so(metadata: Message) -> None:
    """What it needs, on which Pythons it is tested, its licence, and the README as it stands."""
    assert (metadata["Name"], metadata["Requires-Python"]) == ("opentrain_async", ">=3.11")
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("MIT", ["opentrain_async/LICENSE"])
    needed = {re.split(r"[<>=]", line)[0] for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert needed == {"aiohttp", "attrs", "cattrs", "tenacity"} | {"multidict", "yarl"}  # aiohttp's own parts
    assert {"cli", "redis"} <= set(metadata.get_all("Provides-Extra", []))
    tested = {line.rpartition(" ")[2] for line in metadata.get_all("Classifier", []) if ":: 3." in line}
    assert tested == {"3.11", "3.12", "3.13"}
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_no_label_of_an_address_is_too_long_for_the_index(metadata: Message) -> None:
    """It takes 32 characters, and refuses the whole upload for one more."""
    labels = [line.partition(",")[0] for line in metadata.get_all("Project-URL", [])]
    assert len(labels) == len(PROJECT["urls"])
    assert [label for label in labels if len(label) > 32] == []


def test_the_source_distribution_holds_what_its_tests_need(built: Path) -> None:
    """Package, tests, benchmarks, and the files beside them; not what a run has left there."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = {PurePosixPath(member.name).relative_to(path.name[:-7]) for member in archive if member.isfile()}
    names = {name.as_posix() for name in files}
    folders = sources("opentrain_async") | sources("tests") | sources("benchmarks")
    assert names == BESIDE_THE_CODE | folders
