"""The operator's token: made when missing, never weaker than a file only its owner may read."""

from pathlib import Path

import pytest

from augury.app.tokens import TokenError, read_or_create_token, read_token, write_secret


def test_a_missing_token_is_made_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "operator.token"
    token = read_or_create_token(path)
    assert len(token) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_create_token(path) == token == read_token(path)


def test_an_existing_token_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  chosen-by-the-operator\n")
    assert read_or_create_token(path) == "chosen-by-the-operator"


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()
    assert read_or_create_token(path) == read_token(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_command_line_never_makes_up_a_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(TokenError, match="--operator-token-file"):
        read_token(path)
    assert not path.exists()


def test_a_directory_in_its_place_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="cannot be read"):
        read_or_create_token(tmp_path)


def test_a_secret_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
