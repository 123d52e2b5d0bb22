"""What map, clusters and anomalies offer in Python and curl says what they show."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.explorer import archive
from tests.e2e.explorer.conftest import Visit
from tests.e2e.explorer.test_gallery import run
from tests.e2e.explorer.test_kinds import listed

from skylike.client import Client, FitJob

BRIGHT = "&attr=" + quote('["snr",20,null]')


def asked(page: Page, folder: Path) -> tuple[list[str], Any]:
    """What both of its snippets give, run as they stand: lines, and a message."""
    lines = run(page, "python", folder)
    return lines, json.loads("\n".join(run(page, "curl", folder)))


@pytest.mark.parametrize(
    "more", ["", "&color=anomaly", "&limit=40", f"&layout=pca{BRIGHT}&label=seen"]
)
def test_of_a_map(visit: Visit, tmp_path: Path, more: str) -> None:
    """As many points as are drawn, of as many objects, coloured alike."""
    page = visit(f"map?collection=sky&renderer=canvas{more}")
    page.locator(".map-frame[data-renderer]").wait_for(timeout=90_000)
    about = page.locator("#about-map").inner_text()
    [line], message = asked(page, tmp_path)
    points, total = line.split()[:2]
    assert f"{total} objects" in about
    assert 0 < int(points) <= int(total)
    assert (f"{points} of them" in about) == (points != total)
    assert (len(message["ids"]), message["total"]) == (int(points), total)
    assert (int(points) == 40) == ("limit" in more)
    names = message.get("color_names")
    assert bool(names) == ("anomaly" not in more)


@pytest.fixture(scope="module")
def fitted_twice(
    explored: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A service of its own, whose collection has an older fit."""
    folder = archive.copied(explored.folder, tmp_path_factory.mktemp("fitted"))
    with archive.serving(folder) as served, Client(served.address) as client:
        client.wait_ready()
        job = client.start_job(FitJob("sky", method="kmeans", num_clusters=3))
        assert [*client.watch_job(job.id)][-1].state == "done"
        yield served


@pytest.mark.parametrize("fit", ["", "&fit=1"])
def test_of_clusters(
    visit: Visit, fitted_twice: SimpleNamespace, tmp_path: Path, fit: str
) -> None:
    """Those of the fit that is looked at, though it be an older one."""
    page = visit(f"clusters?collection=sky{fit}", url=fitted_twice.url)
    shown = page.locator("li.cluster h2").all_inner_texts()
    assert (len(shown) == 3) == (not fit)
    lines, message = asked(page, tmp_path)
    assert len(lines) == len(shown)
    for line, name in zip(lines, shown, strict=True):
        assert name in line
    assert [one["name"] for one in message["clusters"]] == shown
    assert all("portrait" in one for one in message["clusters"])


def test_members_are_listed_of_the_newest_fit(
    visit: Visit, fitted_twice: SimpleNamespace
) -> None:
    """A cluster of an older one leads to none, which would be another's."""
    for fit, number in (("", 3), ("&fit=1", 0)):
        page = visit(f"clusters?collection=sky{fit}", url=fitted_twice.url)
        expect(page.locator("li.cluster h2 a")).to_have_count(number)
        older = page.get_by_text("members are listed of the newest")
        expect(older).to_have_count(int(not number))
    expect(page.locator("a", has_text="in none")).to_have_count(0)


@pytest.mark.parametrize("more", ["", BRIGHT])
def test_of_members(visit: Visit, client: Client, tmp_path: Path, more: str) -> None:
    """The page shows the first of them, the most typical first."""
    label = client.clusters("sky").clusters[0].label
    page = visit(f"clusters?collection=sky&cluster={label}{more}")
    shown = [str(one.get_attribute("data-id")) for one in page.locator("li.hit").all()]
    assert shown
    lines, message = asked(page, tmp_path)
    assert [line.split()[1] for line in lines][: len(shown)] == shown
    assert [one["object"]["id"] for one in message["members"]] == shown


@pytest.mark.parametrize("more", ["", "&controlled=1", "&order=typical", BRIGHT])
def test_of_anomalies(visit: Visit, tmp_path: Path, more: str) -> None:
    page = visit(f"anomalies?collection=sky{more}")
    shown = listed(page)
    assert shown
    lines, message = asked(page, tmp_path)
    assert [line.split()[1] for line in lines] == shown
    assert [one["object"]["id"] for one in message["anomalies"]] == shown


def test_of_what_ratings_have_taught(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    """Both orders; those that nobody has rated come first only on the page."""
    odd = [one.id for one in client.anomalies(collection="sky", limit=6).items]
    rated = {id: score for id, score in zip(odd, (5, 4, 5, 0, 1, 0), strict=True)}
    client.rate(rated, who="a teacher", collection="sky")
    try:
        for order, reply in (("taught", "anomalies"), ("suggested", "suggestions")):
            page = visit(f"anomalies?collection=sky&order={order}&rated=mixed")
            shown = listed(page)
            assert shown
            lines, message = asked(page, tmp_path)
            column = 1 if order == "taught" else 0
            assert [line.split()[column] for line in lines] == shown
            assert [one["object"]["id"] for one in message[reply]] == shown
    finally:
        client.rate(dict.fromkeys(rated), who="a teacher", collection="sky")
