"""Jobs as they go on, and what the service tells of itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from onnx import helper
from playwright.sync_api import expect
from tests.conftest import write_model
from tests.e2e.explorer import archive
from tests.e2e.explorer.conftest import Visit, keep, settle
from tests.e2e.explorer.test_gallery import run

from skylike.client import Client, FitJob, IndexJob
from skylike.service.encoder import BASE, DATA_HASH_KEY, TRAINING_KEY, Encoder
from skylike.service.library import Library


@pytest.fixture(scope="module")
def working(
    explored: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A service of its own, whose jobs may change the archive."""
    folder = archive.copied(explored.folder, tmp_path_factory.mktemp("working"))
    with archive.serving(folder) as served:
        yield served


def test_without_jobs_that_is_told(visit: Visit) -> None:
    page = visit("jobs?collection=sky")
    expect(page.locator("main")).to_contain_text("No job was ever started")


def test_a_job_is_watched_until_it_is_done(
    visit: Visit, working: SimpleNamespace, tmp_path: Path
) -> None:
    """It appears by itself, its state changes without a reload, its result is told."""
    page = visit("jobs?collection=sky", url=working.url)
    with Client(working.address) as client:
        job = client.start_job(FitJob("sky", method="kmeans", num_clusters=3))
        card = page.locator(f"[data-job='{job.id}']")
        expect(card).to_be_visible(timeout=15_000)
        expect(card.locator(".job-state")).to_have_text("done", timeout=60_000)
        assert client.job(job.id).state == "done"
    expect(card.locator("progress")).to_have_count(0)
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
    assert job.id in "\n".join(run(page, "python", tmp_path))
    assert job.id in "\n".join(run(page, "curl", tmp_path))


def test_a_job_is_cancelled(visit: Visit, working: SimpleNamespace) -> None:
    """Of many in line, so that there is work as long as anybody looks, the last one."""
    with Client(working.address) as client:
        jobs = [
            client.start_job(FitJob("sky", seed=seed, method="full-mixture"))
            for seed in range(40)
        ]
        page = visit("jobs?collection=sky", url=working.url)
        running = page.locator(".job-state.running").first
        running.wait_for(timeout=15_000)
        page.wait_for_function(  # it is drawn, whichever job runs by now
            "() => document.querySelector('.job progress')?.getBoundingClientRect().width > 200"
        )
        keep(page, "jobs")
        card = page.locator(f"[data-job='{jobs[-1].id}']")
        card.get_by_role("button", name="Cancel").click()
        expect(card.locator(".job-state")).to_have_text("cancelled", timeout=30_000)
        assert client.job(jobs[-1].id).state == "cancelled"
        for job in reversed(jobs[:-1]):
            client.cancel_job(job.id)


def test_what_a_job_left_out_is_listed(visit: Visit, working: SimpleNamespace) -> None:
    """Each image with its reason; a hostile name is but a text."""
    folder = working.folder / "poor"
    folder.mkdir()
    for number in range(3):
        (folder / f"poor <i>{number}.fits").write_text("nothing at all\n" * 300)
    with Client(working.address) as client:
        job = client.start_job(IndexJob("sky", [str(folder)]))
        page = visit("jobs?collection=sky", url=working.url)
        card = page.locator(f"[data-job='{job.id}']")
        card.get_by_text("3 left out").click(timeout=60_000)
        expect(card.locator("tbody tr")).to_have_count(3)
        told = [(one.image, one.reason) for one in client.job_rejects(job.id)]
    rows = card.locator("tbody tr").all_inner_texts()
    for (image, reason), row in zip(told, rows, strict=True):
        assert image in row
        assert reason.upper() in row
    assert "<i>" in rows[0]


def test_status_tells_what_the_service_tells(visit: Visit, client: Client) -> None:
    """Health, collections, the model's wishes, the fits."""
    page = visit("status?collection=sky")
    settle(page)
    text = page.locator("main").inner_text()
    collection = client.collection("sky")
    clusters = client.clusters(collection="sky")
    for told in (
        *("SearchService", "serving", "collection bare"),
        collection.model_id,
        f"{collection.dimension} numbers",
        f"{len(clusters.clusters)} by {clusters.method}",
        "Side of a stamp",
        "64",
        "equivariant, 4 layers, width 16",
        "of 64 stamps",
        Encoder(BASE).metadata[DATA_HASH_KEY],
        "snr",
    ):
        assert str(told) in text, told
    rows = page.locator("section", has_text="Collections").locator("tbody tr")
    assert [row.split()[:2] for row in rows.all_inner_texts()[-2:]] == [
        ["bare", "0"],
        ["sky", str(collection.num_objects)],
    ]
    keep(page, "status")
    page.get_by_text("The whole recipe").click()
    recipe = json.loads(collection.model_metadata[TRAINING_KEY])
    expect(page.locator("main")).to_contain_text(
        "views: zoom" + str(recipe["views"]["zoom"])
    )


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "does not tell"),
        ({TRAINING_KEY: "[" * 10_000}, "does not tell"),
        ({TRAINING_KEY: '{"steps": "<img src=x>"}'}, "<img src=x>"),
    ],
)
def test_a_model_that_tells_otherwise_of_its_training(
    visit: Visit, tmp_path: Path, metadata: dict[str, str], told: str
) -> None:
    """Nothing, or what is no recipe, or is meant to be more than text."""
    model = write_model(tmp_path / "model.onnx")
    held = onnx.load(str(model))
    helper.set_model_props(
        held, {one.key: one.value for one in held.metadata_props} | metadata
    )
    onnx.save(held, str(model))
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
    with archive.serving(tmp_path) as served:
        page = visit("status?collection=sky", url=served.url)
        settle(page)
        page.locator("summary", has_text="recipe").or_(
            page.get_by_text("does not tell")
        ).click()
        expect(page.locator("main")).to_contain_text(told)
        expect(page.locator("main img")).to_have_count(0)
        with Client(served.address) as client:
            assert client.collection("sky").model_metadata == metadata


def test_limits_are_told(visit: Visit) -> None:
    page = visit("about")
    expect(page.locator("main")).to_contain_text("it is no probability")
    expect(page.locator("footer")).to_contain_text("skylike-service")
    keep(page, "about")
