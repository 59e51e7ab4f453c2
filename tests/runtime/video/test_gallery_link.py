"""A pipeline's gallery in memory follows the one on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import CrystalEdgeError
from crystaledge.gallery.consent import Consent
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.store import GalleryStore
from crystaledge.gallery.template import Template
from crystaledge.identity.gallery import Gallery
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.gallery_link import GalleryLink, fingerprint_of
from crystaledge.video.gallery_opening import open_link
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.colours import RED, colour_decision, write_colours
from tests.runtime.video.squares import events_of, film, told, walk
from tests.support.step_graphs import HIDDEN

KEY = MasterKey(bytes(range(32)))


class HandClock:
    """Seconds that are set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def enrol(store: GalleryStore, name: str, identity: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> None:
    """Enrol somebody made up."""
    template = Template(identity=np.array([*identity, 0, 0, 0], np.float32), log_variance=0.0, observations=3)
    given = datetime.now(timezone.utc) - timedelta(minutes=1)
    store.enroll(name, template, Consent(purpose="tests", given_at=given), retention=timedelta(days=1))


def identified(name: str | None, turn: FaceTurn = FaceTurn.IDENTIFIED) -> FaceEvent:
    """An event of this name."""
    return FaceEvent(frame=1, sequence="door", track=5, turn=turn, time_s=0.1, box_xyxy=None, name=name, llr=6.5)


@pytest.fixture
def stores(tmp_path: Path, colours: Bundle) -> Iterator[tuple[GalleryStore, GalleryStore]]:
    """One file as two processes have it open."""
    path, model = tmp_path / "people.db", fingerprint_of(colours)
    opened = [GalleryStore.open(path, KEY, model, create=True) for _ in range(2)]
    with closing(opened[0]) as mine, closing(opened[1]) as other:
        yield mine, other


@pytest.fixture
def gallery() -> Gallery:
    """An empty gallery in memory."""
    return Gallery(colour_decision().score, HIDDEN)


def names(gallery: Gallery) -> list[str]:
    """Who is enrolled."""
    return [person.name for person in gallery.people]


def test_enrolments_and_forgettings_of_others_appear(
    stores: tuple[GalleryStore, GalleryStore], gallery: Gallery
) -> None:
    mine, other = stores
    enrol(other, "Ada")
    clock = HandClock()
    link = GalleryLink(mine, gallery, clock=clock)
    assert names(gallery) == ["Ada"]
    enrol(other, "Bob")
    clock.now_s = 0.9
    assert not link.refresh()  # asked too soon
    assert names(gallery) == ["Ada"]
    clock.now_s = 1.0
    assert link.refresh()
    assert names(gallery) == ["Ada", "Bob"]
    clock.now_s = 2.0
    assert not link.refresh()
    other.forget("Ada")
    clock.now_s = 3.0
    assert link.refresh()
    assert names(gallery) == ["Bob"]


def test_people_in_memory_alone_stay(stores: tuple[GalleryStore, GalleryStore], gallery: Gallery) -> None:
    mine, other = stores
    gallery.enroll("guest", np.ones(HIDDEN, np.float32), 0.0, 1)
    clock = HandClock()
    link = GalleryLink(mine, gallery, clock=clock)
    enrol(other, "Ada")
    clock.now_s = 5.0
    link.refresh()
    other.forget("Ada")
    clock.now_s = 10.0
    link.refresh()
    assert names(gallery) == ["guest"]


def test_a_name_that_is_held_in_memory_does_not_end_a_run(
    stores: tuple[GalleryStore, GalleryStore], gallery: Gallery
) -> None:
    mine, other = stores
    gallery.enroll("Ada", np.ones(HIDDEN, np.float32), 0.0, 1)
    clock = HandClock()
    link = GalleryLink(mine, gallery, clock=clock)
    enrol(other, "Ada")
    enrol(other, "Bob")
    clock.now_s = 5.0
    assert link.refresh()
    assert [(person.name, person.observations) for person in gallery.people] == [("Ada", 1), ("Bob", 3)]
    link.note(identified("Ada"))  # that of memory: not a line of this file
    assert [line.action for line in mine.audit()].count("match") == 0
    other.forget("Ada")
    clock.now_s = 10.0
    assert link.refresh()
    assert names(gallery) == ["Ada", "Bob"]


def test_identifications_are_audited_and_nothing_else(
    stores: tuple[GalleryStore, GalleryStore], gallery: Gallery
) -> None:
    mine, other = stores
    enrol(other, "Ada")
    gallery.enroll("guest", np.ones(HIDDEN, np.float32), 0.0, 1)
    link = GalleryLink(mine, gallery, clock=HandClock())
    link.note(identified("Ada"))
    for event in (identified("guest"), identified(None), *(identified("Ada", turn) for turn in FaceTurn)):
        if event.turn is not FaceTurn.IDENTIFIED or event.name != "Ada":
            link.note(event)
    matches = [line for line in mine.audit() if line.action == "match"]
    assert [line.detail for line in matches] == ["score=6.5 track=5"]
    assert "Ada" not in str(matches)
    mine.verify_audit()


def test_who_was_forgotten_meanwhile_is_let_go_of_at_once(
    stores: tuple[GalleryStore, GalleryStore], gallery: Gallery
) -> None:
    mine, other = stores
    enrol(other, "Ada")
    link = GalleryLink(mine, gallery, clock=HandClock())
    other.forget("Ada")
    link.note(identified("Ada"))
    assert link.refresh()  # without waiting for the second to pass
    assert names(gallery) == []


def test_a_pipeline_names_who_is_enrolled_on_disk(squares: Bundle, colours: Bundle, tmp_path: Path) -> None:
    path, key_file = tmp_path / "people.db", tmp_path / "gallery.key"
    key_file.write_bytes(bytes(range(32)))
    key_file.chmod(0o600)
    with VideoPipeline.of(squares, colours) as pipeline:
        learnt = pipeline.learn(film(walk((40, 40), (0, 0), 3, RED)))
        with GalleryStore.open(path, KEY, fingerprint_of(colours), create=True) as store:
            enrol(store, "Ada", tuple(learnt.hidden[:3].tolist()))
        with open_link(path, key_file, {}, pipeline) as link:
            events = events_of(pipeline, film(walk((10, 50), (3, 0), 6, RED)))
            for event in events:
                link.note(event)
    assert [event.name for event in told(events, FaceTurn.IDENTIFIED)] == ["Ada"]
    with GalleryStore.administer(path, KEY) as store:
        assert [line.action for line in store.audit()] == ["enrol", "match"]


def test_a_gallery_is_of_one_model_and_of_a_bundle_that_tells_people_apart(
    squares: Bundle, colours: Bundle, tmp_path: Path
) -> None:
    path, environment = tmp_path / "people.db", {"CRYSTALEDGE_GALLERY_KEY": bytes(range(32)).hex()}
    with GalleryStore.open(path, KEY, fingerprint_of(colours), create=True):
        pass
    other = write_colours(tmp_path / "other.bundle", checkpoint=b"another")
    for identity, file, words in (
        (None, path, "tells people apart"),
        (other, path, "mnemosyne"),
        (colours, tmp_path / "none.db", "There is no gallery"),
    ):
        with (
            VideoPipeline.of(squares, identity) as pipeline,
            pytest.raises(CrystalEdgeError, match=words),
            open_link(file, None, environment, pipeline),
        ):
            pass
    with VideoPipeline.of(squares, colours) as pipeline, open_link(path, None, environment, pipeline) as link:
        assert isinstance(link, GalleryLink)
    assert not (tmp_path / "none.db").exists()
