"""The video verbs as a user runs them: real processes that are stopped, killed, and share a gallery."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.store import GalleryStore
from tests.e2e.conftest import Cli
from tests.runtime.outputs.videos import read_back
from tests.runtime.video.bright_square import write_detector
from tests.runtime.video.colours import GREEN, RED, write_colours
from tests.runtime.video.commands import PURPOSE, filmed, key_file, passing
from tests.runtime.video.squares import Square

PATIENCE_S = 120.0
KILLS = 4

Bundles = tuple[Path, Path]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """A detector's and an identity's."""
    folder = tmp_path_factory.mktemp("bundles")
    return write_detector(folder / "squares.bundle").path, write_colours(folder / "colours.bundle").path


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who walk to and fro for longer than any of these tests takes."""
    there = [[*a, *b] for a, b in zip(passing(RED, 40, y=30), passing(GREEN, 40, y=160), strict=True)]
    scenes: list[list[Square]] = [*there, *there[::-1]] * 25
    return filmed(tmp_path_factory.mktemp("film") / "street.mp4", scenes)


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command in the background, from its first event on."""
    with subprocess.Popen(
        [sys.executable, "-m", "crystaledge.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, process.stderr.read() if process.stderr else ""
            json.loads(first)
            yield process
        finally:
            process.kill()


def enrolled(cli: Cli, bundles: Bundles, folder: Path) -> tuple[object, ...]:
    """A gallery of two, as options."""
    gallery = ("--gallery-db", folder / "people.db", "--key-file", key_file(folder))
    for name, colour in (("Ada", RED), ("Bob", GREEN)):
        film = filmed(folder / f"{name}.mp4", passing(colour, 9))
        done = cli("enroll", name, *bundles, "--source", film, *gallery, *PURPOSE)
        assert done.status == 0, done.err
    return gallery


def actions(folder: Path) -> list[str]:
    """The audit, which is sound."""
    with GalleryStore.administer(folder / "people.db", MasterKey(bytes(range(32)))) as store:
        store.verify_audit()
        return [str(line.action) for line in store.audit()]


def test_sigterm_writes_the_state_file_and_closes_the_recording(
    cli: Cli, bundles: Bundles, long_film: Path, tmp_path: Path
) -> None:
    state, record = tmp_path / "tracks.state", tmp_path / "out.mp4"
    with running("run", *bundles, "--source", long_film, "--snapshot", state, "--record", record) as process:
        time.sleep(2.0)  # a few frames have been encoded then, on a busy machine too
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "crystaledge: interrupted"
    pictures, _ = read_back(record)
    assert 2 < len(pictures) < 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "tracks.state"]
    done = cli("run", *bundles, "--source", long_film, "--restore", state, "--frames", 30)
    assert done.status == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    # The film begins anew, elsewhere than the run was stopped; numbers of before are not given again.
    assert not {event["track"] for event in events if event["turn"] == "appeared"} & {0, 1}


def test_a_forgotten_person_is_let_go_of_by_a_run_that_goes_on(
    cli: Cli, bundles: Bundles, long_film: Path, tmp_path: Path
) -> None:
    gallery = enrolled(cli, bundles, tmp_path)
    with running("run", *bundles, "--source", long_film, *gallery) as process:
        assert process.stdout is not None
        assert cli("forget", "Ada", *gallery).status == 0
        turns = (json.loads(line) for line in process.stdout)
        # Whoever is told of anew after that is Bob or nobody; lines of before may still be on their way.
        anew = (event["name"] for event in turns if event["turn"] in ("unknown", "identified") and event["frame"] > 0)
        assert next(name for name in anew if name is None) is None
        assert "Ada" not in {name for _, name in zip(range(2), anew, strict=False)}
    assert actions(tmp_path).count("forget") == 1


def test_two_runs_share_a_gallery(cli: Cli, bundles: Bundles, tmp_path: Path) -> None:
    gallery = enrolled(cli, bundles, tmp_path)
    films = [filmed(tmp_path / f"{name}.mp4", passing(RED, 40)) for name in ("hall", "yard")]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "crystaledge.cli.main", "run", *map(str, (*bundles, "--source", film, *gallery))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for film in films
    ]
    for process in started:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        names = {event["name"] for event in map(json.loads, out.splitlines()) if event["turn"] == "identified"}
        assert names == {"Ada"}
    assert actions(tmp_path) == ["enrol", "enrol", "match", "match"]


def test_a_run_that_is_killed_leaves_a_sound_gallery(
    cli: Cli, bundles: Bundles, long_film: Path, tmp_path: Path
) -> None:
    gallery = enrolled(cli, bundles, tmp_path)
    cameras = [part for _ in range(6) for part in ("--source", long_film)]  # so that many lines are written
    lives = random.Random(5)
    for _ in range(KILLS):
        with running("run", *bundles, *cameras, *gallery) as process:
            time.sleep(lives.uniform(0.0, 0.2))
            process.kill()
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode == -signal.SIGKILL
        found = actions(tmp_path)
        assert found[:2] == ["enrol", "enrol"]
        assert set(found[2:]) <= {"match"}
    listed = json.loads(cli("identities", *gallery, "--json").out)
    assert [person["name"] for person in listed["identities"]] == ["Ada", "Bob"]
    done = cli("run", *bundles, "--source", long_film, "--frames", 3, *gallery)
    assert done.status == 0, done.err


def test_bad_input_is_one_line(cli: Cli, bundles: Bundles, long_film: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.mp4"
    half.write_bytes(long_film.read_bytes()[:2000])
    db = tmp_path / "people.db"
    for arguments in (
        (*bundles, "--source", half),
        (bundles[0], "--source", long_film, "--gallery-db", db),
        (*bundles, "--source", long_film, "--gallery-db", db, "--key-file", key_file(tmp_path)),
        (*bundles, "--source", long_film, "--face-box", "0,0,1,1"),
    ):
        done = cli("run", *arguments)
        assert done.is_one_line_of_bad_input(), (arguments, done.err)
        assert done.out == ""
    assert not db.exists()
