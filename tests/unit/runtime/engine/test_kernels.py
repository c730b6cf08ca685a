"""What holds of the text of every kernel, and of the files that decide what machine code does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sigmac.runtime.engine import kernels, layout, library

FILES = sorted(Path(kernels.__path__[0]).glob("*.py"))
GROUPS = {name for name, kind in vars(layout).items() if hasattr(kind, "_fields")}


def kernels_of(file: Path) -> list[ast.FunctionDef]:
    return [
        node
        for node in ast.parse(file.read_bytes()).body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each) == "kernel" for each in node.decorator_list)
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_a_kernel_takes_one_group_and_says_which(file: Path) -> None:
    for each in kernels_of(file):
        said = [ast.unparse(a.annotation) if a.annotation else "" for a in each.args.args]
        assert all(said), each.name
        assert "Any" not in " ".join([*said, ast.unparse(each.returns or ast.Constant("Any"))])
        assert sum(kind in GROUPS for kind in said) <= 1, each.name


def test_the_digest_covers_all_that_kernels_import() -> None:
    covered = set(library.sources())
    root = Path(library.__file__).parents[2]  # of the package, whose modules are named from here
    for file in FILES:
        assert file in covered
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sigmac."):
                path = root.joinpath(*(node.module or "").split(".")[1:])
                files = [path / f"{name.name}.py" for name in node.names]
                found = [path.with_suffix(".py"), *files]
                assert covered.intersection(found), f"{file.name} imports {node.module}"
