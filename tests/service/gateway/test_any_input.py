"""Whatever is sent to the gateway, it is never at fault."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server

_CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
def test_schemathesis_finds_nothing_that_is_our_fault(
    data: Path, tmp_path: Path
) -> None:
    """No 5xx on any input, each answer of the type and schema that the page tells.

    Short: two dozen inputs for each endpoint, besides those at the edge of every field.
    """
    settings = Settings(data=data, address="127.0.0.1:0", http_address="127.0.0.1:0")
    with Library(data) as library, Server(Engine(library), settings) as server:
        server.ready()
        base = f"http://{server.addresses['http_address']}"
        done = subprocess.run(
            [
                *(sys.executable, "-c"),
                "from schemathesis.cli import schemathesis; schemathesis()",
                *("run", f"{base}/v1/openapi.json", f"--checks={_CHECKS}"),
                *("--max-examples=25", "--seed=1", "--no-color"),
                "--phases=examples,coverage,fuzzing",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert httpx.get(f"{base}/v1/health/ready").json() == {"status": "SERVING"}
        assert "skylike_calls_total" in httpx.get(f"{base}/v1/metrics").text
