"""The fault matrix in the tests' README says the truth about them."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from attrs import frozen

_TESTS = Path(__file__).parents[1]
_ROW = re.compile(r"^\| (F\d+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
_NAME = re.compile(r"test_(F\d\d(?:_F\d\d)*)_[^_]")
_ALL = [f"F{number:02}" for number in (*range(1, 54), *range(57, 66), *range(69, 75))]


@frozen
class Row:
    """A line of the table: its number, and the files in which its tests are said to be."""

    number: str
    files: str


def rows() -> list[Row]:
    """The table, line by line."""
    return [Row(*found) for found in _ROW.findall((_TESTS / "README.md").read_text())]


@cache
def numbered_tests() -> Mapping[str, Sequence[str]]:
    """Whatever is named for a row, by file."""
    return {
        path.relative_to(_TESTS).as_posix(): [
            name for name in names_in(ast.parse(path.read_text())) if re.match(r"test_F\d", name, re.IGNORECASE)
        ]
        for path in sorted(_TESTS.glob("*/test_*.py"))
    }


def names_in(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    """The names of a module's functions, and of its classes' methods."""
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from names_in(node)


def files_of_rows() -> dict[str, str]:
    """In which files each row has a test, by the names of these, as the table has it."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for file, names in numbered_tests().items():
        for number in sorted({number for name in names for number in rows_of(name)}):
            files[number].append(f"`{file}`")
    return {number: ", ".join(found) for number, found in files.items()}


def rows_of(name: str) -> Sequence[str]:
    """The rows in a test's name."""
    numbers = _NAME.match(name)
    return () if numbers is None else numbers[1].split("_")


def test_the_table_has_each_row_once_and_in_order() -> None:
    """The numbers that are missing are of situations that are still to come."""
    assert [row.number for row in rows()] == _ALL


def test_each_row_has_a_test() -> None:
    """A row without one promises what nobody has seen."""
    missing = [row.number for row in rows() if row.number not in files_of_rows()]
    assert not missing, f"without a test: {', '.join(missing)}"


def test_each_numbered_test_is_of_rows_in_the_table() -> None:
    """Its name is spelt so that it is found by its number."""
    known = {row.number for row in rows()}
    names = [name for found in numbered_tests().values() for name in found]
    strays = [name for name in names if not rows_of(name) or not known.issuperset(rows_of(name))]
    assert not strays, f"of no row: {', '.join(strays)}"


def test_each_row_names_the_files_of_its_tests() -> None:
    """All of them, and no other."""
    found = files_of_rows()
    wrong = [f"| {row.number} | {found.get(row.number)} |" for row in rows() if row.files != found.get(row.number)]
    assert not wrong, "\n".join(["the files should be", *wrong])
