"""The method of the examples keeps every law that the methods of the product keep."""

import importlib.util
from inspect import signature
from pathlib import Path

import pytest

import thermometry
from examples.nearest_image import NearestImage

LAWS = Path(__file__).parents[1] / "laws" / "test_thermometry_laws.py"


def laws():
    """The laws of thermometry, as they would be if there were no other method."""
    spec = importlib.util.spec_from_file_location("laws_of_the_example", LAWS)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thermometry, "METHODS", {"nearest-image": NearestImage})
        spec.loader.exec_module(module)
    return {
        name: law
        for name, law in vars(module).items()
        if name.startswith("test_") and "method" in signature(law).parameters
    }


globals().update(laws())


def test_there_are_laws_to_keep():
    assert len(laws()) > 5


def test_it_is_short():
    code = (Path(__file__).parents[2] / "examples" / "nearest_image.py").read_text()
    lines = [line for line in code.split('"""')[2].splitlines() if line.strip()]
    assert len(lines) <= 27  # with the imports
