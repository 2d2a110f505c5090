"""A typed service can spell every type that a public signature uses."""

import ast
import builtins
import importlib
import inspect
import textwrap
import typing
from collections import abc
from collections.abc import Iterator
from itertools import chain

PUBLIC = ("", ".errors", ".models", ".outcomes", ".events", ".quota", ".sandbox", ".testing", ".otel")
FOREIGN = {
    "ClientSession", "E", "MeterProvider", "Path", "PathLike", "T", "TracebackType", "TracerProvider", "aiohttp",
    "asyncio", "datetime", "os",
}  # fmt: skip
"""Types of the standard library and of the dependencies, and type variables."""


def public_objects() -> dict[str, object]:
    """Every public name with what it stands for."""
    modules = [importlib.import_module(f"opentrain_async{name}") for name in PUBLIC]
    return {
        name: getattr(module, name) for module in modules for name in vars(module).get("__all__", ["OpenTelemetry"])
    }


def definitions_of(value: object) -> Iterator[ast.AST]:
    """The source of a class and its bases, or of a function."""
    found = value.__mro__ if inspect.isclass(value) else [value] if inspect.isfunction(value) else []
    for each in found:
        if each.__module__.startswith("opentrain_async"):
            yield ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]


def annotations_in(definition: ast.AST) -> Iterator[ast.expr]:
    """What its public methods take and return, and its public attributes are; not what stands inside a function."""
    match definition:
        case ast.ClassDef(name="PublishStream"):  # which the client makes
            yield from chain(*map(annotations_in, [each for each in definition.body if not is_constructor(each)]))
        case ast.ClassDef():
            yield from chain(*map(annotations_in, definition.body))
        case ast.FunctionDef() | ast.AsyncFunctionDef() if is_constructor(definition) or definition.name[0] != "_":
            taken = [argument.annotation for argument in (*definition.args.args, *definition.args.kwonlyargs)]
            yield from filter(None, [*taken, definition.returns])
        case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
            yield definition.annotation


def is_constructor(definition: ast.AST) -> bool:
    return isinstance(definition, ast.FunctionDef) and definition.name == "__init__"


def names_in(annotation: ast.expr) -> set[str]:
    """The names that an annotation spells, also inside quotes."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


def test_every_type_in_a_public_signature_has_a_public_name() -> None:
    """Nobody has to import it from a private module."""
    public = public_objects()
    known = {*public, *dir(builtins), *dir(typing), *dir(abc), *FOREIGN}
    unspelled = {
        f"{name}: {type_name}"
        for name, value in public.items()
        for definition in definitions_of(value)
        for annotation in annotations_in(definition)
        for type_name in names_in(annotation) - known
    }
    assert sorted(unspelled) == []
