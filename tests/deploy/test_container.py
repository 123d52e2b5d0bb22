"""The Dockerfile and the compose file, read by parsers: no container engine is needed."""

import io
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from dockerfile_parse import DockerfileParser

from skylike.service import config
from skylike.service.cli.serve import serve

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def steps() -> list[SimpleNamespace]:
    """The instructions in order, each with the name of its stage."""
    text = (DEPLOY / "Dockerfile").read_bytes()
    found, stage = [], ""
    for step in DockerfileParser(fileobj=io.BytesIO(text)).structure:
        word, value = step["instruction"], step["value"]
        if word == "FROM":
            stage = value.split()[-1]
        if word != "COMMENT":
            found.append(SimpleNamespace(stage=stage, word=word, value=value))
    return found


@pytest.fixture(scope="module")
def service() -> Any:
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert set(composed["services"]) == {"skylike"}
    assert set(composed["volumes"]) == {"data"}
    return composed["services"]["skylike"]


def _values(steps: list[SimpleNamespace], stage: str, word: str) -> list[str]:
    return [s.value for s in steps if (s.stage, s.word) == (stage, word)]


def test_three_stages_from_one_pinned_image(steps: list[SimpleNamespace]) -> None:
    """What builds does not run; every image has a tag, and none is a moving one."""
    origins = [s.value.split(" AS ") for s in steps if s.word == "FROM"]
    assert [name for _, name in origins] == ["base", "build", "runtime"]
    image = origins[0][0]
    assert [origin for origin, _ in origins[1:]] == ["base", "base"]
    name, _, tag = image.partition(":")
    assert name == "python"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = wanted["requires-python"].removeprefix(">=")
    assert re.fullmatch(rf"{re.escape(least)}(\.\d+)?-slim-[a-z]+", tag)


def test_everything_is_installed_at_the_pinned_versions(
    steps: list[SimpleNamespace],
) -> None:
    installs = [
        command
        for value in _values(steps, "build", "RUN")
        for command in value.split("&&")
        if "pip install" in command
    ]
    assert len(installs) == 2
    for command in installs:
        assert "-c constraints.txt" in command
    assert not any("pip" in value for value in _values(steps, "runtime", "RUN"))


def test_the_requirements_are_those_of_the_service(
    steps: list[SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line of Python in the Dockerfile says so when it is run."""
    [line] = [v for v in _values(steps, "build", "RUN") if "tomllib" in v]
    words = shlex.split(line)
    program = words[words.index("-c") + 1]
    monkeypatch.chdir(ROOT)
    exec(program, {})
    printed = capsys.readouterr().out.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    service = project["optional-dependencies"]["service"]
    assert printed == [*project["dependencies"], *service]
    assert not [line for line in printed if line.startswith(("torch", "skylike"))]


def test_what_is_copied_exists_and_reaches_the_build(
    steps: list[SimpleNamespace],
) -> None:
    """The ignore file lets through what is copied, and nothing else."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    copied = {
        source
        for value in _values(steps, "build", "COPY")
        for source in value.split()[:-1]
    }
    assert copied == let_through
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_wheel_finds_all_it_packs(steps: list[SimpleNamespace]) -> None:
    """Every folder and file that pyproject.toml names for the wheel is copied."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    named = {path.split("/")[0] for path in packed}
    named |= {project["project"]["readme"], *project["project"]["license-files"]}
    copied = " ".join(_values(steps, "build", "COPY")).split()
    assert named <= set(copied)


def test_it_runs_as_nobody_in_particular(steps: list[SimpleNamespace]) -> None:
    """A user that is no number cannot be judged by who forbids root; 0 is root."""
    [user] = _values(steps, "runtime", "USER")
    assert int(user) >= 10_000
    words = [s.word for s in steps if s.stage == "runtime"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    assert any(f"--uid {user} " in value for value in _values(steps, "runtime", "RUN"))


def test_the_health_check_asks_the_service(
    steps: list[SimpleNamespace], served: SimpleNamespace
) -> None:
    """It is run for real: 0 where a service answers, else not."""
    [check] = _values(steps, "runtime", "HEALTHCHECK")
    python, option, program = yaml.safe_load(check.split("CMD ", 1)[1])
    assert (python, option) == ("python", "-c")
    assert program.count("Client()") == 1
    answering = f"Client({served.address!r})"
    exec(program.replace("Client()", answering), {})
    silent = program.replace("Client()", "Client('127.0.0.1:1')").replace("(5)", "(0)")
    assert silent.endswith("wait_ready(0)")
    with pytest.raises(Exception, match=re.escape("127.0.0.1:1")):
        exec(silent, {})


def test_signals_reach_the_service(steps: list[SimpleNamespace]) -> None:
    """No shell stands between: the commands are lists."""
    [entry] = _values(steps, "runtime", "ENTRYPOINT")
    [command] = _values(steps, "runtime", "CMD")
    assert yaml.safe_load(entry) == ["skylike-service"]
    assert yaml.safe_load(command) == ["serve"]


def test_compose_agrees_with_the_image_and_the_settings(
    service: Any, steps: list[SimpleNamespace]
) -> None:
    """Same version, port and folder; it stops after the grace, not before."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert service["image"] == f"skylike:{project['version']}"
    context = (DEPLOY / service["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")

    settings = _settings(service)
    host, port = config.split_address(settings.address)
    assert host == "0.0.0.0"
    assert _values(steps, "runtime", "EXPOSE") == [port]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    [volume] = _values(steps, "runtime", "VOLUME")
    assert str(settings.data) == volume
    assert f"data:{volume}" in service["volumes"]
    grace = float(service["stop_grace_period"].removesuffix("s"))
    assert grace > settings.grace_seconds


def test_compose_takes_rights_away(service: Any) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "user", "network_mode"} & set(service)
    mounted = [v.split(":") for v in service["volumes"] if v.startswith(".")]
    for source, _, mode in mounted:
        assert (DEPLOY / source).is_file()
        assert mode == "ro"


def _settings(service: Any) -> config.Settings:
    """What the command in the compose file amounts to."""
    command, *words = service["command"]
    assert command == "serve"
    given = dict(pairwise(words))
    assert CliRunner().invoke(serve, [*words, "--help"]).exit_code == 0
    inside = given["--config"]
    [outside] = [v.split(":")[0] for v in service["volumes"] if f":{inside}:" in v]
    return config.load(
        {"address": given["--address"], "insecure": "--insecure" in words},
        file=DEPLOY / outside,
        environment={},
    )
