"""What the text of a kernel's file binds, defines and imports; nothing of it is run."""

import ast
from collections.abc import Iterable, Iterator

from lnbench.errors import ConfigError, suggestion

FRAMEWORKS = {"torch": "torch", "triton": "torch", "jax": "jax", "numpy": "numpy"}
"""What a file imports → whose arrays its kernel takes; the first that is imported counts."""


def bound_names(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind, those within `if` and `try` too."""
    for node in body:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                for field in ("body", "orelse", "finalbody"):
                    yield from bound_names(getattr(node, field, []))
                for handler in getattr(node, "handlers", []):
                    yield from bound_names(handler.body)


def may_define(node: ast.stmt) -> bool:
    """Return whether a statement may bind a function: no import, and no constant."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return False
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        try:
            ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return True
        return False
    return any(True for _ in bound_names([node]))


def definitions(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the functions and classes defined at the top, without what `@triton.jit` compiles."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            decorators = [ast.unparse(each) for each in node.decorator_list]
            if not any(each.startswith("triton.") for each in decorators):
                yield node.name


def imported(node: ast.AST) -> list[ast.alias]:
    """Return what an import names."""
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []


def framework_of(tree: ast.Module, file: str) -> str:
    """Return whose arrays a file's kernel takes: as it says, or by what it imports."""
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="framework")], value=ast.Constant(value=str(word))
            ):
                if word not in FRAMEWORKS:
                    raise ConfigError(
                        f"{file}, line {node.lineno}: unknown framework '{word}'",
                        suggestion(word, FRAMEWORKS),
                    )
                return FRAMEWORKS[word]
    tops = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        for alias in imported(node)
    }
    return next((FRAMEWORKS[name] for name in FRAMEWORKS if name in tops), "numpy")
