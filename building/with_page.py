"""Build backend: setuptools, after the live page's front end has been built."""

import page
from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - setuptools' hooks, but for those below

Settings = dict[str, object] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Ask for a Node of our own only where this machine has none."""
    wanted = build_meta.get_requires_for_build_wheel(config_settings)
    return wanted if page.system_npm() else [*wanted, page.NODE_WHEEL]


get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(folder: str, settings: Settings = None, metadata: str | None = None) -> str:
    """Build the page, then the wheel that holds it."""
    page.build()
    return build_meta.build_wheel(folder, settings, metadata)


def build_editable(folder: str, settings: Settings = None, metadata: str | None = None) -> str:
    """Build the page in its place."""
    page.build()
    return build_meta.build_editable(folder, settings, metadata)
