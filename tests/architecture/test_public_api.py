"""A package's public names are those of its __all__."""

import ast
import importlib

import pytest

PUBLIC = ("messages", "recon", "thermometry")


@pytest.mark.parametrize("package", PUBLIC)
def test_all_names_what_the_package_imports(package, product):
    tree = product[f"{package}/__init__.py"]
    brought = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith(f"{package}.")
        for alias in node.names
    }
    listed = importlib.import_module(package).__all__
    assert brought <= set(listed), brought - set(listed)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("package", PUBLIC)
def test_all_names_nothing_that_is_not_there(package):
    module = importlib.import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing


def test_nobody_reaches_into_another_packages_private_names(product):
    reached = {
        f"{path}: {node.module}.{alias.name}"
        for path, tree in product.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
        if node.module.partition(".")[0] != path.partition("/")[0]
    }
    assert not reached
