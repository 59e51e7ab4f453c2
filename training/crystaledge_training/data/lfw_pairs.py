"""LFW's lists of pairs: which two images are compared, and whether they show one person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.sources.identities import Catalogue


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images and the truth about them."""

    first: Path
    second: Path
    people: tuple[str, str]

    @property
    def same(self) -> bool:
        """Whether both show one person."""
        return self.people[0] == self.people[1]


def read_lfw_pairs(file: Path, catalogue: Catalogue) -> tuple[ImagePair, ...]:
    """Pairs of an LFW list: a count, then so many lines `name i j` and as many `name i name j`, by tabs.

    Raises:
        DataError: the file cannot be read, is no such list, or names an image that is not there.
    """
    try:
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        count = int(lines[0][0])
        named = [_named(line) for line in lines[1:]]
    except (OSError, ValueError, IndexError) as error:
        msg = f"Cannot read the pairs list {file}: expected a count, then name i j or name i name j a line, by tabs."
        raise DataError(msg) from error
    paths = {(person.name, _number(path)): path for person in catalogue.identities for path in person.paths}
    missing = [image for pair in named for image in pair if image not in paths]
    if missing or len(named) != 2 * count:
        what = f"names {missing[0][0]} {missing[0][1]}, which is not there" if missing else f"has {len(named)} lines"
        msg = f"The pairs list {file} announces {count} pairs of each kind and {what}."
        raise DataError(msg)
    return tuple(ImagePair(paths[a], paths[b], (a[0], b[0])) for a, b in named)


def _named(line: list[str]) -> tuple[tuple[str, int], tuple[str, int]]:
    if len(line) == 3:
        return (line[0], int(line[1])), (line[0], int(line[2]))
    first, i, second, j = line
    return (first, int(i)), (second, int(j))


def _number(path: Path) -> int:
    """LFW's number of an image: the digits after the name; 0 where there are none."""
    digits = path.stem.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else 0
