"""OpenCV behind the protocol: what it opens, within what time, and that it tells no password."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import pytest

from crystaledge.sources.opencv import OpenCvCapture, open_camera, open_file, open_film, open_stream
from tests.runtime.sources.films import drawn, write_film
from tests.runtime.sources.servers import http_server, serve_file, serve_motion_jpeg, stalling_rtsp_server

PICTURES = [drawn(index) for index in range(4)]


class FailingCapture:
    """A `cv2.VideoCapture` whose backend throws, of a container that knows nothing.

    No subclass of the real one: OpenCV's types cannot be derived from without crashing the garbage collector.
    """

    def read(self) -> tuple[bool, object]:
        raise cv2.error("out of memory")

    def get(self, number: int) -> float:
        return {cv2.CAP_PROP_FPS: float("nan"), cv2.CAP_PROP_FRAME_COUNT: -2.3e15}.get(number, 1500.0)


def jpegs() -> list[bytes]:
    """The pictures as JPEG files."""
    return [cv2.imencode(".jpg", pixels)[1].tobytes() for pixels in PICTURES]


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    capture = open_file(write_film(tmp_path / "a.avi", PICTURES, codec="MJPG"), threads=1)
    assert capture is not None
    assert (capture.rate_fps, capture.frame_count) == (25.0, 4)
    positions_s = []
    while capture.read() is not None:
        positions_s.append(capture.position_s)
    assert positions_s == pytest.approx([0.0, 0.04, 0.08, 0.12])
    assert capture.read() is None
    capture.close()
    assert capture.read() is None


@pytest.mark.parametrize("data", [None, b"", b"no film at all"])
def test_what_is_no_film_cannot_be_opened(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "a.mp4").write_bytes(data)
    assert open_file(tmp_path / "a.mp4") is None


def test_a_file_that_is_called_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.avi", PICTURES, codec="MJPG").rename(tmp_path / "tcp:a.avi")
    capture = open_file(Path("tcp:a.avi"))
    assert capture is not None
    capture.close()


def test_a_backend_that_throws_is_at_its_end() -> None:
    failing = cast(cv2.VideoCapture, FailingCapture())
    capture = OpenCvCapture(failing)
    assert capture.read() is None
    assert (capture.rate_fps, capture.frame_count, capture.position_s) == (None, None, 1.5)
    assert OpenCvCapture(failing, timed=False).position_s is None


@pytest.mark.parametrize("device", [987, "/dev/video987"])
def test_a_camera_that_is_not_there(device: int | str) -> None:
    assert open_camera(device) is None


def test_a_web_camera_has_no_times_of_its_own() -> None:
    with http_server(serve_motion_jpeg(jpegs())) as port:
        capture = open_stream(f"http://127.0.0.1:{port}/video")
        assert capture is not None
        count = 0
        while capture.read() is not None:
            assert capture.position_s is None
            count += 1
        capture.close()
    assert count == 4


def test_a_film_on_a_web_server_has(tmp_path: Path) -> None:
    data = write_film(tmp_path / "a.avi", PICTURES, codec="MJPG").read_bytes()
    with http_server(serve_file(data, "video/x-msvideo")) as port:
        capture = open_film(f"http://127.0.0.1:{port}/a.avi")
        assert capture is not None
        assert capture.read() is not None
        assert capture.read() is not None
        assert capture.position_s == pytest.approx(0.04)
        capture.close()


def test_rtsp_goes_over_tcp_and_a_stall_has_an_end(capfd: pytest.CaptureFixture[str]) -> None:
    with stalling_rtsp_server() as (port, lines):
        url = f"rtsp://bob:SECRET@127.0.0.1:{port}/SECRET"
        capture = open_stream(url, open_timeout_s=0.2, read_timeout_s=0.2)
        if capture is not None:  # FFmpeg opens it without a picture
            assert capture.read() is None
            capture.close()
    assert [line for line in lines if line.startswith("Transport")] == [
        "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
    ]
    assert "SECRET" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_tells_no_password(status: int, capfd: pytest.CaptureFixture[str]) -> None:
    with http_server(lambda request: request.send_error(status)) as port:
        assert open_stream(f"http://bob:SECRET@127.0.0.1:{port}/SECRET?key=SECRET") is None
    assert "SECRET" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_nobody_at_the_address_tells_no_password(scheme: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert open_stream(f"{scheme}://bob:SECRET@127.0.0.1:1/SECRET?key=SECRET") is None
    assert "SECRET" not in "".join(capfd.readouterr())
