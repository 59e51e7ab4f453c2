"""`python -m crystaledge.gallery.new_key FILE` writes a new master key; an existing file is never touched."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from crystaledge.cli.verb import talk
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.key import create_key_file


def main(arguments: Sequence[str]) -> int:
    """Write the key and return the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        talk("usage: python -m crystaledge.gallery.new_key FILE")
        return GalleryError.exit_status
    try:
        create_key_file(Path(arguments[0]))
    except GalleryError as error:
        talk(f"crystaledge: {error}")
        return error.exit_status
    talk(f"a new key is in {arguments[0]}; keep a copy elsewhere: without it nobody can open the gallery")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
