"""Settings: ranked, checked, and never ignored."""

from pathlib import Path

import pydantic
import pytest

from skylike.service.config import Settings, load
from skylike.service.errors import BadSettings


def test_the_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    """Each source covers what the ones above leave open."""
    file = tmp_path / "settings.toml"
    file.write_text('data = "/file"\nworkers = 2\ngrace_seconds = 2.5\n')
    environment = {"SKYLIKE_WORKERS": "3", "SKYLIKE_LOG_JSON": "true", "HOME": "/"}
    given = {"data": Path("/given"), "workers": None}
    settings = load(given, file=file, environment=environment)
    assert settings.data == Path("/given")
    assert settings.workers == 3
    assert settings.log_json is True
    assert settings.grace_seconds == 2.5
    assert settings.address == "127.0.0.1:50051"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wrokers = 3", "wrokers"),
        ("workers = 0", "workers"),
        ("workers = [", "TOML"),
    ],
)
def test_a_file_that_means_nothing_is_refused(
    tmp_path: Path, text: str, named: str
) -> None:
    """Unknown keys, senseless values, no TOML."""
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(BadSettings, match=named):
        load({}, file=file, environment={})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Rather than taken for an empty one."""
    with pytest.raises(BadSettings, match="cannot be read"):
        load({"data": "."}, file=tmp_path / "absent.toml", environment={})


def test_an_unknown_variable_is_refused() -> None:
    """With the names that exist."""
    with pytest.raises(BadSettings, match=r"SKYLIKE_WROKERS.*SKYLIKE_WORKERS"):
        load({"data": "."}, environment={"SKYLIKE_WROKERS": "3"})


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:1", "[::1]:50051"])
def test_loopback_needs_no_permission(address: str) -> None:
    assert load({"data": ".", "address": address}, environment={}).address == address


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "sky.org:1"])
def test_other_addresses_need_insecure(address: str) -> None:
    """It has to be spelled out, and the error says how."""
    given = {"data": ".", "address": address}
    with pytest.raises(BadSettings, match=r"loopback address .* or --insecure"):
        load(given, environment={})
    assert load(given | {"insecure": True}, environment={}).insecure


@pytest.mark.parametrize("address", ["", "50051", "localhost", ":1", "h:x", "h:65536"])
def test_an_address_has_host_and_port(address: str) -> None:
    with pytest.raises(BadSettings, match="HOST:PORT"):
        load({"data": ".", "address": address, "insecure": True}, environment={})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("max_calls", "many", "is 'many': it has to be a whole number from 8 to 4096; by default it is 256"),
        ("max_calls", "5", "is '5': it has to be from 8 to 4096; by default it is 256"),
        ("grace_seconds", "-1", "is '-1': it has to be 0 or more; by default it is 10.0"),
        ("grace_seconds", "soon", "is 'soon': it has to be a number 0 or more; by default it is 10.0"),
        ("insecure", "maybe", "is 'maybe': it has to be true or false; by default it is False"),
        ("address", "foo", "is 'foo': expected HOST:PORT with a port from 0 to 65535; by default it is 127.0.0.1:50051"),
        ("resolver_url", "file:///etc/passwd", "is 'file:///etc/passwd': expected https://HOST/PATH/ or http://HOST:PORT/PATH/, and nothing behind it"),
        ("resolver_url", "https://a.b/c?d", "is 'https://a.b/c?d': expected https://HOST/PATH/ or http://HOST:PORT/PATH/, and nothing behind it"),
        ("resolver_url", "http://me:secret@a.b/", "is 'http://me:secret@a.b/': expected https://HOST/PATH/ or http://HOST:PORT/PATH/, and nothing behind it"),
        ("cors_origins", "a", "is 'a': a is no origin: expected https://HOST or https://HOST:PORT"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_setting_as_it_was_given_and_what_it_has_to_be(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    """An option, a variable, a line of a file; and the default."""
    file = tmp_path / "settings.toml"
    file.write_text(f"{name} = '{value}'")
    for sources, called in (
        ({"command_line": {name: value}}, f"--{name.replace('_', '-')}"),
        (
            {"environment": {f"SKYLIKE_{name.upper()}": value}},
            f"SKYLIKE_{name.upper()}",
        ),
        ({"file": file}, f"{name} in {file}"),
    ):
        with pytest.raises(BadSettings) as caught:
            load(**({"command_line": {}, "environment": {}} | sources))
        assert str(caught.value) == f"{called} {told}"


def test_a_name_that_is_nearly_one_is_answered_by_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("wrokers = 3\nmax_calls = 1")
    with pytest.raises(BadSettings) as caught:
        load({}, file=file, environment={})
    assert f"max_calls in {file} is 1: it has to be from 8 to 4096" in str(caught.value)
    assert (
        f"wrokers in {file} is not a setting: did you mean workers? There are"
        in str(caught.value)
    )
    with pytest.raises(BadSettings, match="mean SKYLIKE_WORKERS"):
        load({}, environment={"SKYLIKE_WROKERS": "3"})


def test_a_setting_of_endless_text_is_told_shortened() -> None:
    with pytest.raises(BadSettings) as caught:
        load({"max_calls": "9" * 100_000 + "x"}, environment={})
    assert len(str(caught.value)) < 300


def test_settings_that_do_not_go_together_are_told_as_such() -> None:
    with pytest.raises(BadSettings) as caught:
        load({"tls_key": "key.pem"}, environment={})
    assert str(caught.value) == "tls_certificate and tls_key go together"


def test_roots_are_folders_that_are_there(tmp_path: Path) -> None:
    """As text they are parted by colons, and none are none."""
    roots = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        root.mkdir()
    (tmp_path / "file").touch()
    text = f"{roots[0]}:{roots[1]}"
    assert load({"roots": text}, environment={}).roots == tuple(roots)
    assert load({}, environment={"SKYLIKE_ROOTS": ""}).roots == ()
    file = tmp_path / "settings.toml"
    file.write_text(f'roots = ["{roots[0]}"]')
    assert load({}, file=file, environment={}).roots == (roots[0],)
    for bad in ("relative", f"{tmp_path}/absent", f"{tmp_path}/file"):
        with pytest.raises(BadSettings, match="no absolute path of a folder"):
            load({"roots": bad}, environment={})


def test_variables_of_the_client_are_none_of_ours() -> None:
    """Somebody may ask from where they serve; an error would show the key."""
    environment = {"SKYLIKE_API_KEY": "secret", "SKYLIKE_TLS_CA": "ca.pem"}
    assert load({}, environment=environment) == Settings()


def test_origins_are_a_list_or_a_text_with_commas() -> None:
    """Whole origins, none that stands for all."""
    origins = ("https://a.example", "http://localhost:8080")
    for given in (list(origins), ", ".join(origins)):
        settings = load({"data": ".", "cors_origins": given}, environment={})
        assert settings.cors_origins == origins
    for wrong in ("*", "a.example", "https://a.example/page"):
        with pytest.raises(BadSettings, match="no origin"):
            load({"data": ".", "cors_origins": wrong}, environment={})


@pytest.mark.parametrize("name", ["http_address", "metrics_address"])
def test_what_listens_beside_stays_at_home_too(name: str) -> None:
    with pytest.raises(BadSettings, match=r"10\.0\.0\.1:1 can be reached"):
        load({"data": ".", name: "10.0.0.1:1"}, environment={})


def test_settings_do_not_change() -> None:
    settings = load({"data": "."}, environment={})
    with pytest.raises(pydantic.ValidationError):
        settings.workers = 3


def test_every_setting_is_described() -> None:
    """For the command line's help."""
    assert all(field.description for field in Settings.model_fields.values())
