"""Catalogues of face images by person: any `DIR/identity/*.jpg|png|pgm`, and LFW's official lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crystaledge.errors import DataError
from crystaledge.sources.images import list_images


@dataclass(frozen=True, slots=True)
class Identity:
    """One person and the files that show them, in natural order."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """People of one data set, sorted by name."""

    root: Path
    identities: tuple[Identity, ...]

    @property
    def image_count(self) -> int:
        """Number of images of all people."""
        return sum(len(identity.paths) for identity in self.identities)

    def with_at_least(self, images: int) -> Catalogue:
        """The people who have at least that many images."""
        return Catalogue(self.root, tuple(i for i in self.identities if len(i.paths) >= images))

    def only(self, names: frozenset[str]) -> Catalogue:
        """The people of a list.

        Raises:
            DataError: a name of the list has no folder.
        """
        missing = names - {i.name for i in self.identities}
        if missing:
            msg = f"{len(missing)} people of the list have no images under {self.root}, {min(missing)} for one."
            raise DataError(msg)
        return Catalogue(self.root, tuple(i for i in self.identities if i.name in names))


def read_catalogue(root: Path) -> Catalogue:
    """Catalogue of `root/identity/*.jpg|png|pgm|ppm|bmp`.

    `root/images` is used where it exists, so that a data set's own top folder can be named.

    Raises:
        DataError: no such folder, or no identity with an image in it.
    """
    base = root / "images" if (root / "images").is_dir() else root
    if not base.is_dir():
        msg = f"The data folder {root} does not exist; expected DIR/identity/*.jpg, *.png or *.pgm."
        raise DataError(msg)
    folders = sorted(p for p in base.iterdir() if p.is_dir())
    found = [Identity(folder.name, tuple(list_images(folder))) for folder in folders]
    identities = tuple(i for i in found if i.paths)
    if not identities:
        msg = f"The data folder {root} holds no identity with an image; expected DIR/identity/*.jpg, *.png or *.pgm."
        raise DataError(msg)
    return Catalogue(base, identities)


def read_lfw_people(file: Path) -> frozenset[str]:
    """Names in an LFW people list: a count, then `name<TAB>images` a line.

    Raises:
        DataError: the file cannot be read or its count does not agree with its lines.
    """
    try:
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        count = int(lines[0][0])
    except (OSError, ValueError, IndexError) as error:
        msg = f"Cannot read the people list {file}: expected a count, then name<TAB>images a line."
        raise DataError(msg) from error
    names = frozenset(line[0] for line in lines[1:])
    if len(names) != count:
        msg = f"The people list {file} announces {count} people and names {len(names)}."
        raise DataError(msg)
    return names


def split_by_identity(catalogue: Catalogue, *, held_out: float, seed: int) -> tuple[Catalogue, Catalogue]:
    """Split people, never images, into (training, validation); `held_out` in (0, 1) goes to the second.

    Raises:
        DataError: fewer than two people would be left on one side.
    """
    order = np.random.default_rng(seed).permutation(len(catalogue.identities))
    cut = round(len(order) * held_out)
    if min(cut, len(order) - cut) < 2:
        msg = f"{len(order)} identities cannot be split for validation; at least 2 are needed on each side."
        raise DataError(msg)
    chosen = set(order[:cut].tolist())
    first = tuple(i for k, i in enumerate(catalogue.identities) if k not in chosen)
    second = tuple(i for k, i in enumerate(catalogue.identities) if k in chosen)
    return Catalogue(catalogue.root, first), Catalogue(catalogue.root, second)
