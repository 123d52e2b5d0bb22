"""A client goes where its process goes: forked, spawned, or pickled."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.certificates import Authority

from skylike.client import AsyncClient, Client, Tls
from skylike.client.client import _Calls
from skylike.client.errors import Overloaded, SkylikeClientError
from skylike.service.config import Settings
from skylike.service.keys import Keys, Scope
from skylike.service.server.serve import Server

_SCRIPT = """
import asyncio, multiprocessing, os, sys, warnings
from skylike.client import AsyncClient, Client, ObjectId, Tls

warnings.simplefilter("ignore", DeprecationWarning)  # of forks where threads are

def ask(client, name, told):
    if isinstance(client, AsyncClient):
        found = asyncio.run(client.get(name, collection="sky"))
    else:
        found = client.get(name, collection="sky")
        many = dict(client.analyze_many({"a": ObjectId(name)}, collection="sky"))
        assert many["a"].hits, many
    told.put((os.getpid(), found.object.id))

if __name__ == "__main__":
    kind, start, address, *ca = sys.argv[1:]
    tls = Tls(*ca) if ca else None
    client = {"Client": Client, "AsyncClient": AsyncClient}[kind](address, tls=tls)
    here = multiprocessing.SimpleQueue()
    ask(client, "ring-0", here)  # the connection stands before there are others
    context = multiprocessing.get_context(start)
    told = context.SimpleQueue()
    names = [f"ring-{i}" for i in range(4)]
    for round in range(2):
        others = [context.Process(target=ask, args=(client, n, told)) for n in names]
        for other in others:
            other.start()
        for other in others:
            other.join(40)
            assert other.exitcode == 0, other
        answers = [told.get() for _ in names]
        assert sorted(name for _, name in answers) == names
        assert len({pid for pid, _ in answers} - {os.getpid()}) == 4
        ask(client, "ring-0", here)  # and stands still
    print("everybody was answered")
"""


def _below(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return children + [one for child in children for one in _below(child)]


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_processes_share_a_client_made_before_them(
    served: SimpleNamespace, tmp_path: Path, kind: str, start: str
) -> None:
    """It had been used before; parent and children are answered, twice."""
    _run(tmp_path, kind, start, served.address)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_certificates_and_the_key_of_the_environment_go_along(
    served: SimpleNamespace, tmp_path: Path, start: str
) -> None:
    ours = Authority(tmp_path / "ours")
    certificate, key = ours.issue("server")
    settings = Settings(
        data=tmp_path,
        address="127.0.0.1:0",
        tls_certificate=certificate,
        tls_key=key,
        grace_seconds=0,
    )
    api_key = Keys(tmp_path / "keys.json").add("night", Scope.READ)
    with Server(served.engine, settings) as server:
        server.ready()
        _run(
            tmp_path, "Client", start, server.address, ours.ca, SKYLIKE_API_KEY=api_key
        )


def _run(folder: Path, *arguments: str | Path, **environment: str) -> None:
    """Run the script; what it started ends with it."""
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | environment,
    )
    try:
        told, failed = process.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert told == "everybody was answered\n", failed


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_pickle_holds_no_key(
    kind: type[Client] | type[AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the environment is taken from there; one that was given is refused."""
    monkeypatch.setenv("SKYLIKE_API_KEY", "skylike_very_secret")
    client = kind("127.0.0.1:1", timeout=3, max_message_bytes=77)
    pickled = pickle.dumps(client)
    assert b"secret" not in pickled
    again = pickle.loads(pickled)
    assert type(again) is kind
    calls = again._calls if isinstance(again, Client) else again
    assert isinstance(calls, _Calls | AsyncClient)
    assert (calls.address, calls._target.timeout) == ("127.0.0.1:1", 3)
    assert calls._target.max_message_bytes == 77
    assert calls._way._connection.metadata[0][1].endswith("secret")
    given = kind("127.0.0.1:1", api_key="skylike_very_secret")
    with pytest.raises(TypeError, match="SKYLIKE_API_KEY") as caught:
        pickle.dumps(given)
    shown = [str(caught.value), repr(given), repr(vars(given)), repr(client)]
    assert all("secret" not in text for text in shown)


@pytest.mark.parametrize("kind", [SkylikeClientError, *_below(SkylikeClientError)])
def test_errors_go_to_other_processes_whole(kind: type[SkylikeClientError]) -> None:
    """Pools send them back; one that cannot be made again lets the pool wait for ever."""
    error = kind("why", reason="full", request_id="one", status="UNAVAILABLE")
    if isinstance(error, Overloaded):
        error.retry_seconds = 2.5
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "why"
    assert vars(again) == vars(error)
    assert again.request_id == "one"


def test_files_for_tls_are_read_again_where_it_goes(tmp_path: Path) -> None:
    """They are names in the pickle, not contents."""
    ours = Authority(tmp_path / "ours")
    tls = Tls(ours.ca, *ours.issue("me"))
    client = Client("127.0.0.1:1", tls=tls)
    pickled = pickle.dumps(client)
    assert b"PRIVATE KEY" not in pickled
    assert pickle.loads(pickled)._calls._target.tls == tls
