"""What a user may name, and that a password in it is told to nobody."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from crystaledge.errors import DataError
from crystaledge.scene.scene import SyntheticSource
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.feeds import Feeds, default_policy
from crystaledge.sources.folder import FolderSource
from crystaledge.sources.frame import Source
from crystaledge.sources.mailbox import DropPolicy
from crystaledge.sources.open import open_source
from crystaledge.sources.retry import Retry
from crystaledge.sources.video import VideoSource
from tests.runtime.sources.films import drawn, write_film
from tests.runtime.sources.servers import http_server, serve_file, serve_motion_jpeg
from tests.support.messages import message_of

PICTURES = [drawn(index) for index in range(4)]
SOON = Retry(attempts=1, first_delay_s=0.01, longest_delay_s=0.01)


def name_of(source: Source) -> str:
    """Name of the sequence of a live source or a film."""
    assert isinstance(source, LiveSource | VideoSource)
    return source.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0", "camera0"),
        ("007", "camera7"),
        ("/dev/video987", "video987"),
        ("/dev/v4l/by-id/usb-cam-index0", "usb-cam-index0"),
        ("rtsp://bob:SECRET@cam.local:554/ch1", "cam.local:554"),
        ("RTSPS://cam.local/SECRET", "cam.local"),
        ("http://cam.local/video?password=SECRET", "cam.local"),
        ("https://cam.local/video", "cam.local"),
    ],
)
def test_cameras_are_live_and_named_without_credentials(name: str, expected: str) -> None:
    source = open_source(name)
    assert isinstance(source, LiveSource)
    assert source.name == expected
    assert default_policy(source) is DropPolicy.LATEST
    assert "SECRET" not in repr(source)
    assert name_of(open_source(name, label="door")) == "door"


def test_a_film_on_a_web_server_is_no_camera() -> None:
    source = open_source("https://bob:SECRET@10.0.0.7:8080/SECRET.mp4?SECRET")
    assert isinstance(source, VideoSource)
    assert source.name == "10.0.0.7:8080"
    assert default_policy(source) is DropPolicy.EVERY


def test_files_folders_and_the_scene(tmp_path: Path) -> None:
    path = write_film(tmp_path / "talk.avi", PICTURES, codec="MJPG")
    assert name_of(open_source(str(path))) == "talk"
    assert name_of(open_source(str(path), label="door")) == "door"
    (tmp_path / "0").mkdir()
    cv2.imwrite(str(tmp_path / "0" / "a.png"), PICTURES[0])
    assert isinstance(open_source(str(tmp_path / "0")), FolderSource)
    assert isinstance(open_source("synthetic"), SyntheticSource)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ftp://bob:SECRET@cam.local/SECRET", "The address of cam.local is of no use here"),
        ("rtps://bob:SECRET@cam.local/SECRET", "The address of cam.local is of no use here"),
        ("rtsp:/bob:SECRET@cam.local/x", "The source ***@cam.local/x does not exist"),
        ("cam.local/video?password=SECRET", "The source cam.local/video*** does not exist"),
        ("films/talk.mp4", "a camera is a number, /dev/videoN, or an rtsp:// or http:// address"),
    ],
)
def test_what_is_nothing_is_refused_without_its_credentials(name: str, expected: str) -> None:
    with pytest.raises(DataError) as raised:
        open_source(name)
    assert expected in message_of(raised)
    assert "SECRET" not in message_of(raised)


@pytest.mark.parametrize("name", ["987", "/dev/video987", "rtsp://bob:SECRET@127.0.0.1:1/SECRET"])
def test_a_camera_that_is_not_there_is_one_line(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError) as raised:
        list(open_source(name))
    assert "cannot be opened or gives no picture" in message_of(raised)
    assert "SECRET" not in message_of(raised) + "".join(capfd.readouterr())


def test_a_web_camera_from_its_address_to_its_frames(capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    sequences: list[str] = []
    jpegs = [cv2.imencode(".jpg", pixels)[1].tobytes() for pixels in PICTURES]
    with http_server(serve_motion_jpeg(jpegs)) as port:
        url = f"http://bob:SECRET@127.0.0.1:{port}/SECRET?key=SECRET"
        with pytest.raises(DataError, match="did not come back to stay in 1 attempts") as raised:
            for frame in open_source(url, retry=SOON, say=said.append):
                sequences.append(frame.sequence)
    # Four pictures, a loss, four more at the one attempt, and the next loss is the last.
    assert sequences == [f"127.0.0.1:{port}"] * 8
    assert len(said) == 3
    told = [message_of(raised), *said, *capfd.readouterr()]
    assert not any("SECRET" in line for line in told)


def test_a_film_on_a_web_server_from_its_address_to_its_frames(tmp_path: Path) -> None:
    data = write_film(tmp_path / "a.avi", PICTURES, codec="MJPG").read_bytes()
    with http_server(serve_file(data, "video/x-msvideo")) as port:
        frames = list(open_source(f"http://127.0.0.1:{port}/a.avi"))
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_two_films_of_one_name_read_together(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_film(tmp_path / folder / "talk.avi", PICTURES, codec="MJPG")
    sources = [open_source(str(tmp_path / folder / "talk.avi")) for folder in ("a", "b")]
    found = [[(frame.sequence, frame.index) for frame in frames] for frames in Feeds(sources)]
    assert found == [[("talk", place), ("talk#2", place)] for place in range(4)]
