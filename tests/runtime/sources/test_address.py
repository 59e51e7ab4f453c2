"""Nothing of an address that may be a credential is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.sources.address import is_film, label_of, scheme_of, shown

# Signs that stand in passwords, some of which end a host for one parser and not for another.
SECRETS = st.text(alphabet="QZ7@:/?#&=%;\\[]. ", max_size=12).map(lambda text: f"SECRET{text}SECRET")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://cam.local/stream1", "cam.local"),
        ("rtsp://bob:SECRET@192.168.1.5:554/Streaming/Channels/101", "192.168.1.5:554"),
        ("rtsp://bob:SEC@RET@192.168.1.5/x", "192.168.1.5"),
        ("http://[fe80::1]:8080/video?password=SECRET", "[fe80::1]:8080"),
        ("rtsp://host/user=bob_password=SECRET_channel=1", "host"),
        ("rtsps://host:7441/SECRETtoken", "host:7441"),
        ("rtsp://bob:12/SECRET@host/x", "rtsp"),
        ("rtsp://bob:SECRET?x@host", "rtsp"),
        ("HTTP://host/?mail=a@SECRET", "http"),
        ("rtsp://", "rtsp"),
        ("bob:SECRET@rtsp://", "address"),
    ],
)
def test_an_address_is_shown_as_its_host(url: str, expected: str) -> None:
    assert label_of(url) == expected
    assert shown(url) == expected


@given(SECRETS, SECRETS, SECRETS, st.sampled_from(["rtsp", "rtsps", "http", "https", "ftp"]))
def test_no_secret_is_ever_in_a_label(password: str, path: str, query: str, scheme: str) -> None:
    assert "SECRET" not in label_of(f"{scheme}://bob:{password}@host:554/{path}?key={query}")
    assert "SECRET" not in label_of(f"{scheme}://{password}@host")
    assert "SECRET" not in label_of(f"{scheme}://host/{path}?{query}")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("films/talk.mp4", "films/talk.mp4"),
        ("rtsp:/bob:SECRET@host/x", "***@host/x"),
        ("192.168.1.5/video?password=SECRET", "192.168.1.5/video***"),
        ("host/user=bob&password=SECRET", "host/user***"),
    ],
)
def test_a_mistyped_address_shows_no_secret_either(name: str, expected: str) -> None:
    assert shown(name) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host/talk.mp4", True),
        ("https://host/a/TALK.MKV?token=x", True),
        ("http://host/video.mjpg", False),
        ("http://host/?file=talk.mp4", False),
        ("http://host.mov", False),
        ("rtsp://host/talk.mp4", False),
    ],
)
def test_films_are_told_from_cameras_by_their_suffix(url: str, expected: bool) -> None:
    assert is_film(url) is expected


def test_schemes() -> None:
    assert scheme_of("RTSP://host") == "rtsp"
    assert scheme_of("films/talk.mp4") is None
