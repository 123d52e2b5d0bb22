"""Where files lie: one name for each, whatever links and selectors lead to it."""

import os
from collections.abc import Iterable

from skylike.service.fits import selector


def text(path: str) -> str:
    r"""A path as text that can be stored: bytes that are no UTF-8 become ``\udcXX``."""
    return path.encode("utf-8", "backslashreplace").decode()


def uris_of(images: Iterable[str]) -> list[str]:
    """Where what is read lies, links followed: what a collection knows it by."""
    folders: dict[str, str] = {}
    places = (selector.locate(image)[0] for image in images)
    return [
        one if selector.is_url(one) else text(place_of(one, folders)) for one in places
    ]


def place_of(path: str, folders: dict[str, str]) -> str:
    """Where a path leads; `folders` remembers it of those that were met before."""
    # Unlike Path.resolve, this does not stumble over links that go round in a circle.
    folder, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir):
        return os.path.realpath(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    place = os.path.join(folders[folder], name)
    return os.path.realpath(place) if os.path.islink(place) else place
