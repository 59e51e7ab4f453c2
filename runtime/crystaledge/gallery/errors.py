"""What goes wrong with a gallery file."""

from __future__ import annotations

from crystaledge.errors import CrystalEdgeError


class GalleryError(CrystalEdgeError):
    """A gallery file, or its key, cannot be used; nothing in the file was changed unless the message says so."""


class GalleryBusyError(GalleryError):
    """Another process holds the gallery; the same call may succeed later."""


class UnknownPersonError(GalleryError):
    """Nobody of this name is enrolled, or not any more."""
