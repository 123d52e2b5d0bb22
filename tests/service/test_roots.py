"""Paths that callers name: under a root, or refused alike."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from skylike.service.errors import PermissionDenied
from skylike.service.roots import allowed, below_root, folder_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file, beside another with a secret."""
    for name in ("root", "root-not", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.fits").touch()
    return tmp_path / "root"


def test_what_lies_under_a_root_is_allowed(root: Path) -> None:
    """Links among its files are followed; what is not there is told by who opens it."""
    (root / "link.fits").symlink_to("a.fits")
    (root / "deep").mkdir()
    for name, place in (
        ("a.fits", "a.fits"),
        ("link.fits", "a.fits"),
        ("deep/../a.fits", "a.fits"),
        ("absent.fits", "absent.fits"),
    ):
        assert allowed(f"{root}/{name}", [Path("/nowhere"), root]) == root / place


def test_a_root_may_be_a_link(root: Path) -> None:
    linked = root.parent / "linked"
    linked.symlink_to(root)
    assert allowed(f"{linked}/a.fits", [linked]) == root / "a.fits"


@pytest.mark.parametrize(
    "path",
    [
        "{root}/../other/a.fits",
        "{root}/../root-not/a.fits",
        "{root}/../other/absent.fits",
        "{root}-not/a.fits",
        "{root}/out/a.fits",
        "{root}/out.fits",
        "{root}/loop/a.fits/../../../other/a.fits",
        "{root}/a.fits\0",
        "{root}/\ud800.fits",
        "a.fits",
        "../root/a.fits",
        "~/a.fits",
        "file://{root}/a.fits",
        "s3://bucket/a.fits",
        "/proc/self/root{other}/a.fits",
        "",
        "/" + "a/" * 5000,
    ],
)
def test_everything_else_is_refused_alike(
    root: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it exists or not: the refusal tells nothing but what was sent."""
    monkeypatch.chdir(root)
    (root / "out").symlink_to(root.parent / "other")
    (root / "out.fits").symlink_to("../other/a.fits")
    (root / "loop").symlink_to("loop")
    named = path.format(root=root, other=root.parent / "other")
    with pytest.raises(PermissionDenied) as caught:
        allowed(named, [root])
    assert caught.value.reason == "outside_roots"
    expected = str(caught.value)
    with pytest.raises(PermissionDenied) as caught:
        allowed(named, [])
    assert str(caught.value) == expected


def test_a_root_that_became_a_link_to_elsewhere_is_followed_there(root: Path) -> None:
    """Roots are the operator's: what they point to is what they mean."""
    os.rename(root, root.parent / "before")
    root.symlink_to(root.parent / "other")
    assert allowed(f"{root}/a.fits", [root]) == root.parent / "other" / "a.fits"
    with pytest.raises(PermissionDenied):
        allowed(f"{root.parent}/before/a.fits", [root])


def test_a_file_is_made_in_the_folder_that_was_found(root: Path) -> None:
    """Whatever its path leads to by then; and callers are told no more than they said."""
    (root / "deep" / "er").mkdir(parents=True)
    path = f"{root}/deep/er/new"
    with folder_of(path, [Path("/nowhere"), root]) as (folder, name):
        (root / "deep").rename(root / "moved")
        (root / "deep").symlink_to(root.parent / "other")
        (root.parent / "other" / "er").mkdir()
        os.close(os.open(name, os.O_CREAT | os.O_EXCL, dir_fd=folder))
    assert (root / "moved" / "er" / "new").exists()
    assert list((root.parent / "other" / "er").iterdir()) == []
    with pytest.raises(PermissionDenied), folder_of(path, [root]):
        pass
    assert below_root(f"{root}/moved/er/../new", [root]) == "moved/new"


def test_no_link_that_is_set_meanwhile_leads_elsewhere(root: Path) -> None:
    """A folder and a link change places thousands of times while files are made."""
    other = root.parent / "other"
    (root / "deep").mkdir()
    (root / "link").symlink_to(other)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (root / "deep").rename(root / "aside")
            (root / "link").rename(root / "deep")
            (root / "deep").rename(root / "link")
            (root / "aside").rename(root / "deep")

    swapping = threading.Thread(target=swap)
    swapping.start()
    num_made = 0
    try:
        for number in range(3000):
            with (
                contextlib.suppress(PermissionDenied, FileNotFoundError),
                folder_of(f"{root}/deep/{number}", [root]) as (folder, name),
            ):
                os.close(os.open(name, os.O_CREAT | os.O_EXCL, dir_fd=folder))
                num_made += 1
    finally:
        done.set()
        swapping.join()
    assert num_made > 100
    assert [path.name for path in other.iterdir()] == ["a.fits"]


def test_a_root_is_no_file(root: Path) -> None:
    for path in (str(root), f"{root}/", f"{root}/deep/.."):
        with pytest.raises(PermissionDenied), folder_of(path, [root]):
            pass
