"""What figures are drawn of: the collection of the running server, and what it holds."""

from types import SimpleNamespace

import pytest

from skylike.client import Client
from skylike.client.figures import Sample, gather


@pytest.fixture(scope="session")
def sample(served: SimpleNamespace) -> Sample:
    """All objects of the fitted collection."""
    with Client(served.address) as client:
        return gather(client, collection="sky")
