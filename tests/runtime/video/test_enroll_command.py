"""`crystaledge enroll`, and what `run`, `identities` and `forget` make of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.store import GalleryStore
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.colours import GREEN, RED, write_colours
from tests.runtime.video.commands import PURPOSE, assert_refused, call, filmed, key_file, passing, red_and_green

Paths = tuple[Path, Path]


@pytest.fixture
def gallery(tmp_path: Path) -> tuple[object, ...]:
    """Options that name a gallery and its key."""
    return "--gallery-db", tmp_path / "people.db", "--key-file", key_file(tmp_path)


def enrol(bundles: Paths, gallery: tuple[object, ...], name: str, source: Path, *more: object) -> int:
    """The verb's status."""
    return call("enroll", name, *bundles, "--source", source, *gallery, *PURPOSE, *more)


def names_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Who was identified by the last call."""
    events: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return sorted(event["name"] for event in events if event["turn"] == "identified")


def test_enrolled_people_are_named_and_forgotten_ones_are_not(
    bundle_paths: Paths, gallery: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    street = red_and_green(tmp_path / "street.mp4", 20)
    for name, colour in (("Ada", RED), ("Bob", GREEN)):
        assert enrol(bundle_paths, gallery, name, filmed(tmp_path / f"{name}.mp4", passing(colour, 12))) == 0
    assert "enrolled from 4 frames: subject " in capsys.readouterr().out
    assert call("run", *bundle_paths, "--source", street, *gallery) == 0
    assert names_of(capsys) == ["Ada", "Bob"]
    assert call("forget", "Ada", *gallery) == 0
    capsys.readouterr()
    assert call("run", *bundle_paths, "--source", street, *gallery) == 0
    assert names_of(capsys) == ["Bob"]
    with GalleryStore.administer(tmp_path / "people.db", MasterKey(bytes(range(32)))) as store:
        store.verify_audit()
        assert [line.action for line in store.audit()] == ["enrol", "enrol", "match", "match", "forget", "match"]


def test_what_is_kept_is_what_was_asked_for(
    bundle_paths: Paths, gallery: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "consent.txt"
    text.write_bytes(b"I agree.")
    film = filmed(tmp_path / "ada.mp4", [*[[]] * 4, *passing(RED, 12)])
    more = ("--frames", 3, "--every", 2, "--skip", 5, "--consent-text", text, "--days", 7, "--json")
    assert enrol(bundle_paths, gallery, "Ada", film, *more) == 0
    assert json.loads(capsys.readouterr().out)["observations"] == 3
    assert call("identities", *gallery, "--json") == 0
    (person,) = json.loads(capsys.readouterr().out)["identities"]
    assert (person["name"], person["purpose"], person["observations"]) == ("Ada", "tests", 3)
    assert person["consent_text_sha256"] == hashlib.sha256(b"I agree.").hexdigest()
    everything = b"".join(file.read_bytes() for file in tmp_path.glob("people.db*"))
    assert b"Ada" not in everything


@pytest.mark.parametrize(
    ("which", "words"),
    [
        pytest.param("two faces", ["2 faces"], id="two-faces"),
        pytest.param("nobody", ["No frame shows a face"], id="no-face"),
        pytest.param("skipped", ["No frame shows a face"], id="no-frames-left"),
        pytest.param("no consent text", ["consent text"], id="no-consent-text"),
        pytest.param("no source", ["nowhere.mp4"], id="no-source"),
        pytest.param("detector alone", ["tells people apart"], id="detector-alone"),
        pytest.param("identity alone", ["expected one detector"], id="identity-alone"),
    ],
)
def test_an_enrolment_that_is_refused_leaves_nothing(
    bundle_paths: Paths,
    gallery: tuple[object, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    which: str,
    words: list[str],
) -> None:
    scenes = passing(RED, 6)
    if which == "two faces":
        scenes = [[*a, *b] for a, b in zip(passing(RED, 6, y=30), passing(GREEN, 6, y=160), strict=True)]
    if which == "nobody":
        scenes = [[]] * 6
    film, more = filmed(tmp_path / "film.mp4", scenes), list[object]()
    if which == "no source":
        film = tmp_path / "nowhere.mp4"
    if which == "no consent text":
        more += ["--consent-text", tmp_path / "none.txt"]
    if which == "skipped":
        more += ["--skip", 100]
    detector, identity = bundle_paths
    bundles = {"detector alone": (detector,), "identity alone": (identity,)}.get(which, bundle_paths)
    status = call("enroll", "Ada", *bundles, "--source", film, *gallery, *PURPOSE, *more)
    assert_refused(capsys, status, *words)
    assert not list(tmp_path.glob("people.db*"))


def test_keys_and_models_must_fit(
    bundle_paths: Paths,
    gallery: tuple[object, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CRYSTALEDGE_GALLERY_KEY", raising=False)
    film, db = filmed(tmp_path / "ada.mp4", passing(RED, 9)), tmp_path / "people.db"
    assert enrol(bundle_paths, gallery, "Ada", film) == 0
    capsys.readouterr()
    assert_refused(capsys, enrol(bundle_paths, gallery, "Ada", film), "'Ada' is enrolled")
    run = ("run", *bundle_paths, "--source", film)
    assert_refused(capsys, call(*run, "--gallery-db", db), "key")
    assert_refused(capsys, call(*run, "--gallery-db", db, "--key-file", key_file(tmp_path, first=99)), "key")
    assert_refused(capsys, call(*run, "--gallery-db", db, "--key-file", tmp_path / "none.key"), "none.key")
    assert_refused(capsys, call(*run, "--gallery-db", tmp_path / "none.db", *gallery[2:]), "There is no gallery")
    assert_refused(capsys, call("run", bundle_paths[0], "--source", film, *gallery), "people apart")
    other = write_colours(tmp_path / "other.bundle", checkpoint=b"another").path
    assert_refused(capsys, call("run", bundle_paths[0], other, "--source", film, *gallery), "people.db")


def test_a_person_who_is_enrolled_elsewhere_is_named_in_a_run_that_goes_on(
    bundle_paths: Paths,
    gallery: tuple[object, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crystaledge.video.gallery_link._ASK_EVERY_S", 0.0)
    ada, bob = (filmed(tmp_path / f"{c[1]}.mp4", passing(c, 9)) for c in (RED, GREEN))
    assert enrol(bundle_paths, gallery, "Bob", bob) == 0
    process, calls = VideoPipeline.process, list[int]()

    def enrol_meanwhile(pipeline: VideoPipeline, frames: Any) -> Any:
        calls.append(frames[0].index)
        if frames[0].index == 12:
            assert enrol(bundle_paths, gallery, "Ada", ada) == 0
            capsys.readouterr()
        return process(pipeline, frames)

    monkeypatch.setattr(VideoPipeline, "process", enrol_meanwhile)
    late = filmed(tmp_path / "late.mp4", [*[[]] * 15, *passing(RED, 10)])
    assert call("run", *bundle_paths, "--source", late, *gallery) == 0
    assert names_of(capsys) == ["Ada"]
