"""Who wins when several places choose a setting, and what a wrong one is told."""

from pathlib import Path

import pytest

from augury.app.settings import (
    Settings,
    SettingsError,
    describe,
    load_settings,
    settings_table,
)


def config_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "augury.toml"
    path.write_text(text)
    return path


def test_without_any_choice_the_server_stays_on_this_machine() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.port == 8080
    assert settings.live is None
    assert settings.token_path == settings.data / "operator.token"


def test_a_world_lives_in_real_time_and_stands_still_with_a_virtual_clock_unless_told() -> None:
    assert load_settings({"world": "demo"}).lives
    assert not load_settings({"world": "demo", "clock": "virtual"}).lives
    assert load_settings({"world": "demo", "clock": "virtual", "live": True}).lives
    assert not load_settings({"world": "demo", "live": False}).lives


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    tmp_path: Path,
) -> None:
    path = config_file(tmp_path, 'port = 1\nhost = "10.0.0.1"\nprofile = "latest"\n')
    environment = {"AUGURY_CONFIG": str(path), "AUGURY_PORT": "2", "AUGURY_HOST": "10.0.0.2"}
    settings = load_settings({"port": 3}, environment)
    assert (settings.port, settings.host, settings.profile) == (3, "10.0.0.2", "latest")
    assert settings.clock == "real"


def test_a_flag_that_was_not_given_does_not_count() -> None:
    assert load_settings({"port": None}, {"AUGURY_PORT": "7"}).port == 7


def test_the_config_flag_beats_the_variable_that_names_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("port = 1\n")
    path = config_file(tmp_path, "port = 2\n")
    assert load_settings(environment={"AUGURY_CONFIG": str(other)}, config=path).port == 2


@pytest.mark.parametrize(
    "variable, text, name, value",
    [
        ("AUGURY_RATE_LIMITS", "off", "rate_limits", False),
        ("AUGURY_TLS", "1", "tls", True),
        ("AUGURY_DATA", "/var/lib/augury", "data", Path("/var/lib/augury")),
        ("AUGURY_TLS_HOSTS", "a.example, b.example", "tls_hosts", ("a.example", "b.example")),
        ("AUGURY_OPERATOR_TOKEN_FILE", "", "operator_token_file", None),
        ("AUGURY_PROFILE", "3.6", "profile", "3.6"),
    ],
)
def test_the_environment_is_read_as_the_type_of_the_setting(
    variable: str, text: str, name: str, value: object
) -> None:
    assert getattr(load_settings(environment={variable: text}), name) == value


@pytest.mark.parametrize(
    "environment, complaint",
    [
        ({"AUGURY_PORT": "http"}, "AUGURY_PORT: expected a whole number, not 'http'"),
        ({"AUGURY_PORT": "65536"}, "AUGURY_PORT: expected at most 65535"),
        ({"AUGURY_CLOCK": "sundial"}, "AUGURY_CLOCK: expected one of real, virtual"),
        ({"AUGURY_TLS": "maybe"}, "AUGURY_TLS: expected true or false"),
        ({"AUGURY_STOP_TIMEOUT_SECONDS": "-1"}, "expected at least 0"),
        ({"AUGURY_TLS": "1", "AUGURY_TLS_CERT": "a.pem"}, "tls_cert and tls_key belong together"),
        ({"AUGURY_TLS_CERT": "a", "AUGURY_TLS_KEY": "b"}, "tls is off"),
        ({"AUGURY_CLOCK_START": "2026-01-01T00:00:00Z"}, "clock_start needs clock = virtual"),
        ({"AUGURY_LIVE": "1"}, "live needs a world"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_its_place(
    environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(environment=environment)
    assert complaint in str(raised.value)


def test_a_misspelt_setting_in_the_file_is_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no setting `prot`; did you mean `port`"):
        load_settings(config=config_file(tmp_path, "prot = 8081\n"))


@pytest.mark.parametrize("text", ["port =", "port = 8080.5", "port = true", "tls_hosts = [1]"])
def test_a_file_that_cannot_be_used_says_which(tmp_path: Path, text: str) -> None:
    path = config_file(tmp_path, text)
    with pytest.raises(SettingsError, match=r"augury\.toml"):
        load_settings(config=path)


def test_a_missing_file_is_an_error_because_somebody_asked_for_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(config=tmp_path / "absent.toml")


def test_toml_may_leave_the_quotes_of_the_profile_away(tmp_path: Path) -> None:
    assert load_settings(config=config_file(tmp_path, "profile = 3.6\n")).profile == "3.6"


def test_every_setting_is_explained() -> None:
    described = describe()
    assert [name for name, _, _ in described] == list(Settings.__dataclass_fields__)
    assert all(text.endswith(".") for _, _, text in described)


def test_the_documentation_has_the_same_table(repository: Path) -> None:
    """When this fails, put the table of ``settings_table()`` between the two marks."""
    page = (repository / "docs" / "operate" / "serving.md").read_text()
    between = page.split("<!-- settings -->")[1].split("<!-- end of settings -->")[0]
    assert between.strip() == settings_table()
