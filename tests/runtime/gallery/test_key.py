"""Master keys: every form that is read, everything that is refused, and no key in any message."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.key import KEY_VARIABLE, MasterKey, create_key_file, find_master_key, parse_key, read_key_file
from tests.support.messages import message_of

SECRET = bytes(range(200, 232))


def written(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(SECRET, id="raw"),
        pytest.param(SECRET.hex().encode(), id="hexadecimal"),
        pytest.param(SECRET.hex().upper().encode() + b"\n", id="capitals-and-newline"),
        pytest.param(base64.b64encode(SECRET), id="base64"),
        pytest.param(b"  " + base64.b64encode(SECRET) + b"\r\n", id="base64-with-spaces-around"),
    ],
)
def test_every_form_gives_the_same_key(tmp_path: Path, data: bytes) -> None:
    assert read_key_file(written(tmp_path / "key", data)) == MasterKey(SECRET)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "holds no key", id="empty"),
        pytest.param(SECRET[:31], "holds no key", id="too-short"),
        pytest.param(SECRET + b"x", "holds no key", id="too-long"),
        pytest.param(base64.b64encode(SECRET[:16]), "holds no key", id="128-bits"),
        pytest.param(b"g" * 64, "holds no key", id="no-hexadecimal-digits"),
        pytest.param(bytes(5000), "holds no key", id="a-large-file"),
        pytest.param(SECRET[:16].hex().encode(), "text or a pattern", id="128-bits-in-32-digits"),
        pytest.param(b"correct horse battery staple 123", "text or a pattern", id="passphrase"),
        pytest.param(bytes(32), "text or a pattern", id="zeros"),
        pytest.param(b"00" * 32, "text or a pattern", id="zeros-in-hexadecimal"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    with pytest.raises(GalleryError) as raised:
        read_key_file(written(tmp_path / "key", data))
    line = message_of(raised)
    assert expected in line and "expected 32 random bytes" in line
    assert not data.strip() or data.strip().decode("latin1") not in line


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_a_key_that_everybody_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key", SECRET, mode)
    with pytest.raises(GalleryError) as raised:
        read_key_file(path)
    assert message_of(raised).endswith(f"make it private first: chmod 600 {path}")


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_a_key_of_an_owner_or_a_group_is_read(tmp_path: Path, mode: int) -> None:
    assert read_key_file(written(tmp_path / "key", SECRET, mode)) == MasterKey(SECRET)


def test_a_key_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "key", tmp_path):
        with pytest.raises(GalleryError, match="cannot be read") as raised:
            read_key_file(path)
        message_of(raised)


def test_the_file_goes_before_the_environment(tmp_path: Path) -> None:
    path, other = written(tmp_path / "key", SECRET), bytes(range(5, 37))
    environment = {KEY_VARIABLE: f" {other.hex()} "}
    assert find_master_key(path, environment) == MasterKey(SECRET)
    assert find_master_key(None, environment) == MasterKey(other)


@pytest.mark.parametrize("environment", [{}, {KEY_VARIABLE: ""}, {KEY_VARIABLE: " \n"}])
def test_a_missing_key_says_how_to_get_one(environment: dict[str, str]) -> None:
    with pytest.raises(GalleryError) as raised:
        find_master_key(None, environment)
    assert message_of(raised) == (
        "The gallery's master key is missing: give --key-file FILE or set CRYSTALEDGE_GALLERY_KEY; "
        "a new key is made by: python -m crystaledge.gallery.new_key FILE"
    )


def test_a_bad_variable_is_named_and_not_shown() -> None:
    with pytest.raises(GalleryError) as raised:
        find_master_key(None, {KEY_VARIABLE: "hunter2\udcff"})
    assert message_of(raised).startswith("The environment variable CRYSTALEDGE_GALLERY_KEY holds no key")
    assert "hunter2" not in str(raised.value)


def test_a_key_does_not_show_itself() -> None:
    assert repr(MasterKey(SECRET)) == "MasterKey()"
    assert parse_key(SECRET, where="here") == MasterKey(SECRET)


def test_a_new_key_is_private_random_and_never_overwrites(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        key = create_key_file(tmp_path / "key")
    finally:
        os.umask(mask)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert read_key_file(tmp_path / "key") == key != create_key_file(tmp_path / "other")
    with pytest.raises(GalleryError, match="exists already") as raised:
        create_key_file(tmp_path / "key")
    message_of(raised)
    assert read_key_file(tmp_path / "key") == key


def test_a_key_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="cannot be written") as raised:
        create_key_file(tmp_path / "nowhere" / "key")
    message_of(raised)


def test_the_command_for_a_new_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crystaledge.gallery.new_key"]
    first = subprocess.run([*command, str(tmp_path / "key")], capture_output=True, text=True, check=True)
    key = read_key_file(tmp_path / "key")
    assert first.stdout == "" and base64.b64encode(key.secret).decode() not in first.stderr
    again = subprocess.run([*command, str(tmp_path / "key")], capture_output=True, text=True, check=False)
    assert again.returncode == 2 and again.stderr.count("\n") == 1 and "exists already" in again.stderr
    assert read_key_file(tmp_path / "key") == key
    usage = subprocess.run(command, capture_output=True, text=True, check=False)
    assert usage.returncode == 2 and usage.stderr.startswith("usage:")
