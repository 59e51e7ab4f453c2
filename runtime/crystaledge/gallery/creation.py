"""A new gallery file: it appears whole under its name, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from crystaledge.gallery.audit import AuditTrail
from crystaledge.gallery.connection import JOURNAL, connect, sync_folder, writing
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.header import write_header
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.people import PeopleTable
from crystaledge.gallery.template import ModelFingerprint


def create_gallery(path: Path, key: MasterKey, model: ModelFingerprint, *, at: datetime) -> None:
    """Write an empty gallery that its owner alone may read.

    Where another process was faster, its file stands. A kill leaves at most a file `.creating.*`, in
    which there is nothing about anybody.

    Raises:
        GalleryError: a journal of an earlier gallery of this name is there.
        OSError, sqlite3.Error: the file cannot be written.
    """
    _refuse_leftover(path)
    with _temporary(path) as temporary:
        with closing(connect(temporary, busy_timeout_s=0.0)) as connection, writing(connection):
            header = write_header(connection, key, model)
            AuditTrail(connection, header.keys.audit).begin(at)
            PeopleTable(connection, header).begin()
        with suppress(FileExistsError):
            os.link(temporary, path)  # unlike a rename, it never replaces
    sync_folder(path.parent)


def _refuse_leftover(path: Path) -> None:
    journal = path.with_name(path.name + JOURNAL)
    if journal.exists() and journal.stat().st_size:
        msg = f"{journal} is left of a gallery that is gone; SQLite would play it into the new one. Remove it first."
        raise GalleryError(msg)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=".creating.", dir=path.parent)  # mode 0600
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        Path(name + JOURNAL).unlink(missing_ok=True)
