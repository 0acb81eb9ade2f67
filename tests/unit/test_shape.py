"""How large files and classes may become."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("actors", "adapter", "demo", "supervisor")
LINES = 400
METHODS = 20
PORT = "Homeserver"
"""The largest port; what implements it has a method for each of its methods at least."""


def sources() -> dict[str, str]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in found}


def methods(class_: ast.ClassDef) -> int:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return sum(isinstance(node, functions) for node in class_.body)


def implements_a_port(class_: ast.ClassDef) -> bool:
    return class_.name == PORT or f"ports.{PORT}`" in (ast.get_docstring(class_) or "")


def test_no_file_is_longer_than_400_lines() -> None:
    assert not [name for name, text in sources().items() if text.count("\n") > LINES]


def test_no_class_has_more_than_20_methods_ports_apart() -> None:
    assert not [
        f"{name}: {node.name} has {methods(node)}"
        for name, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and methods(node) > METHODS
        if not implements_a_port(node)
    ]
