"""What docs/service.md says of HTTP works as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from skylike.service.config import Settings
from skylike.service.gateway.endpoints import ENDPOINTS
from skylike.service.server.serve import Server

PAGE = Path(__file__).parents[3] / "docs" / "service.md"


def test_the_lines_for_curl_work(
    served: SimpleNamespace, sky: SimpleNamespace, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    [block] = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.M)
    (tmp_path / "new.fits").write_bytes(sky.draw())
    settings = Settings(address="127.0.0.1:0", http_address="127.0.0.1:0")
    with Server(served.engine, settings) as server:
        server.ready()
        done = subprocess.run(
            ["bash", "-euc", block.replace("curl -s", "curl -sS --fail-with-body")],
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
    assert done.stdout.count('"context"') == 5
    assert (tmp_path / "ring-0.png").read_bytes().startswith(b"\x89PNG")


def test_every_endpoint_is_told() -> None:
    text = PAGE.read_text()
    for endpoint in ENDPOINTS:
        path = endpoint.path.removeprefix("/v1").replace("{collection}", "NAME")
        assert path in text, endpoint
