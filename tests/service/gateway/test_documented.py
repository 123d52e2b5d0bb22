"""What docs/service.md says of HTTP works as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.service.gateway.conftest import Serving

from skylike.service.gateway import cone, events, resolving
from skylike.service.gateway.endpoints import ENDPOINTS
from skylike.v1 import catalog_pb2, job_pb2, search_pb2, teaching_pb2

PAGE = Path(__file__).parents[3] / "docs" / "service.md"


def test_the_lines_for_curl_work(
    serving: Serving, data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.M)
    lines = "".join(blocks).replace("curl -s", "curl -sS --fail-with-body")
    (tmp_path / "new.fits").write_bytes(sky.draw())
    with serving(data) as server:
        done = subprocess.run(
            ["bash", "-euc", lines],
            cwd=tmp_path,
            env={
                "URL": f"http://{server.addresses['http_address']}",
                "PATH": "/usr/bin:/bin",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"context"') == 8
    assert '"hits": [{"rank": 1' in done.stdout
    assert (tmp_path / "ring-0.png").read_bytes().startswith(b"\x89PNG")
    assert b'value="OK"' in (tmp_path / "around.vot").read_bytes()


def test_every_endpoint_is_told() -> None:
    text = PAGE.read_text()
    for path in (
        *(one.path for one in ENDPOINTS),
        cone.PATH,
        events.PATH,
        resolving.PATH,
    ):
        assert path.removeprefix("/v1") in text


def test_every_method_of_the_contract_can_be_asked() -> None:
    """But for streams of questions, which are for pipelines over gRPC."""
    contract = {
        f"{service.name}/{method.name}"
        for file in (search_pb2, catalog_pb2, teaching_pb2, job_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if not method.client_streaming
    }
    assert {one.rpc.name for one in ENDPOINTS} | {"JobService/WatchJob"} == contract
