"""Opening the gallery on disk for a pipeline that runs. Needs the extra `gallery`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crystaledge.errors import UsageError
from crystaledge.gallery.key import find_master_key
from crystaledge.gallery.store import GalleryStore
from crystaledge.video.gallery_link import GalleryLink, fingerprint_of
from crystaledge.video.pipeline import VideoPipeline


@contextmanager
def open_link(
    path: Path, key_file: Path | None, environment: Mapping[str, str], pipeline: VideoPipeline
) -> Iterator[GalleryLink]:
    """The link between a pipeline and a gallery file, while the block runs.

    Raises:
        UsageError: the pipeline tells nobody apart.
        GalleryError: there is no such file, it is damaged, of another model, or under another key.
    """
    crystallizer = pipeline.crystallizer
    if crystallizer is None:
        msg = "A gallery holds identities; give a bundle that tells people apart beside the detector's."
        raise UsageError(msg)
    key = find_master_key(key_file, environment)
    with GalleryStore.open(path, key, fingerprint_of(crystallizer.bundle), create=False) as store:
        yield GalleryLink(store, crystallizer.gallery, forget=pipeline.forget_person)
