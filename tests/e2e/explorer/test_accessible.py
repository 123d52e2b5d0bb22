"""Axe finds nothing serious on any view, light or dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from tests.e2e.explorer.conftest import Visit, settle
from tests.e2e.explorer.test_frame import VIEWS

GRAVE = ("serious", "critical")
WITH_MORE = {
    **VIEWS,
    "filters": VIEWS["similar"] + "&label=seen&plus=sky-1-000062",
    "nothing": "object?collection=sky&id=nobody",
    "empty": "?collection=bare",
}


def violations(page: Page) -> list[str]:
    """What is grave on a page, with the elements."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:150] for node in one['nodes']]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("view", WITH_MORE)
def test_nothing_serious_is_found(visit: Visit, view: str, colours: str) -> None:
    """With everything open that can be opened."""
    # The checker makes functions from texts, which the page itself may not.
    page = visit(WITH_MORE[view], color_scheme=colours, bypass_csp=True)
    page.evaluate(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )
    settle(page)
    assert violations(page) == []
