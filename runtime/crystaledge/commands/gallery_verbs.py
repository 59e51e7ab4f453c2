"""The verbs that look after a gallery of enrolled people: light halves only, nothing heavy is imported here."""

from __future__ import annotations

from argparse import ArgumentParser, _ArgumentGroup
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.engines import add_engine_options
from crystaledge.commands.parsers import integer, positive, threads


def add_gallery_options(group: ArgumentParser | _ArgumentGroup, *, required: bool = False) -> None:
    """Add the options that name a gallery's file and its key.

    Args:
        required: whether the command cannot do without a gallery.
    """
    group.add_argument(
        "--gallery-db",
        type=Path,
        required=required,
        metavar="FILE.db",
        help="encrypted gallery of enrolled people",
    )
    group.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help=(
            "the gallery's master key: 32 bytes, raw, hexadecimal or base64 (default: the environment variable "
            "CRYSTALEDGE_GALLERY_KEY); a new one: python -m crystaledge.gallery.new_key FILE"
        ),
    )


def _configure_identities(parser: ArgumentParser) -> None:
    add_gallery_options(parser, required=True)


def _configure_forget(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="who is forgotten, as `identities` writes the name")
    add_gallery_options(parser, required=True)


def _configure_enroll(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="who is enrolled")
    parser.add_argument("bundle", type=Path, nargs="+", metavar="BUNDLE", help="a detector's, and one for identities")
    shown = parser.add_argument_group("what is looked at")
    shown.add_argument(
        "--source",
        required=True,
        metavar="SOURCE",
        help="video, folder, camera or address, this person alone",
    )
    shown.add_argument("--frames", type=positive, default=30, metavar="N", help="frames to look at (default: 30)")
    shown.add_argument("--every", type=positive, default=3, metavar="N", help="of every so many frames (default: 3)")
    shown.add_argument("--skip", type=integer(0, 10**9), default=0, metavar="N", help="after N frames (default: 0)")
    add_gallery_options(parser.add_argument_group("where it is kept"), required=True)
    consent = parser.add_argument_group("consent")
    consent.add_argument("--purpose", required=True, metavar="TEXT", help="what the person has agreed to")
    consent.add_argument("--consent-text", type=Path, metavar="FILE", help="the text agreed to; its SHA-256 is kept")
    consent.add_argument("--days", type=integer(1, 36500), default=365, metavar="N", help="keep so long (default: 365)")
    engine = parser.add_argument_group("what runs it")
    engine.add_argument("--unverified", action="store_true", help="run graphs without a passed verification on record")
    add_engine_options(engine)
    engine.add_argument("--threads", type=threads, default=1, metavar="N", help="threads of ONNX Runtime (default: 1)")


ENROLL = Verb(
    name="enroll",
    summary="add a person to an encrypted gallery, with their consent and an end to it",
    description=(
        "Looks at frames that show one person alone, crystallizes an identity, and keeps it encrypted in a\n"
        "gallery on disk, with the purpose that was agreed to and the day on which it is forgotten. A line is\n"
        "added to the gallery's audit. Images are not kept. More than one face in a frame is refused.\n\n"
        "Example:\n"
        "  python -m crystaledge.gallery.new_key gallery.key\n"
        "  crystaledge enroll Ada phantom.bundle mnemosyne.bundle --source ada.mp4 --gallery-db people.db \\\n"
        "      --key-file gallery.key --purpose 'door of the lab'"
    ),
    extra="gallery",
    configure=_configure_enroll,
    target="crystaledge.commands.enroll:run",
)

IDENTITIES = Verb(
    name="identities",
    summary="list who is enrolled in a gallery, since when, until when and for what",
    description=(
        "Lists the people in a gallery, with the number of observations of each, the times of enrolment and\n"
        "expiry (UTC) and the purpose that was agreed to. People whose time is up are forgotten first.\n\n"
        "Example:\n"
        "  crystaledge identities --gallery-db people.db --key-file gallery.key"
    ),
    extra="gallery",
    configure=_configure_identities,
    target="crystaledge.commands.gallery:identities",
)

FORGET = Verb(
    name="forget",
    summary="destroy all that a gallery holds of a person; prints a receipt",
    description=(
        "Destroys a person's template, name, consent and key in a gallery, to the last byte of its files, and\n"
        "prints a receipt: the random stand-in under which the audit knew the person, the time, and the hash\n"
        "of the audit's line. Running pipelines let go of the person when they ask the gallery next.\n"
        "Copies of the file elsewhere are not reached.\n\n"
        "Example:\n"
        "  crystaledge forget 'Ada' --gallery-db people.db --key-file gallery.key"
    ),
    extra="gallery",
    configure=_configure_forget,
    target="crystaledge.commands.gallery:forget",
)
