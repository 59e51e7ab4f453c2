"""From --data and --people to a catalogue and a sentence that describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.sources.identities import Catalogue, read_catalogue, read_lfw_people

LFW_LICENCE = (
    "LFW (University of Massachusetts Amherst): published for research on unconstrained face recognition; "
    "photo copyrights stay with their owners; news photographs that show few children, few people over 80, few women, "
    "and many ethnicities poorly; not evidence of fitness for commercial use"
)


@dataclass(frozen=True, slots=True)
class ChosenData:
    """People to work on."""

    people: Catalogue
    description: str
    is_lfw: bool


def choose_people(data: Path, people: Path | None, *, lfw_list: str) -> ChosenData:
    """People of a data folder; LFW's own folder is known by its official lists.

    Raises:
        DataError: the folder or the list cannot be used.
    """
    catalogue = read_catalogue(data)
    official = data / lfw_list
    is_lfw = (data / "lfw-names.txt").is_file() and official.is_file()
    chosen = people or (official if is_lfw else None)
    if chosen is None:
        described = f"folder {data.name!r}"
    else:
        catalogue = catalogue.only(read_lfw_people(chosen))
        described = f"LFW deep-funneled, {chosen.name}" if is_lfw else f"folder {data.name!r}, {chosen.name}"
    counted = f"{described}: {len(catalogue.identities)} people, {catalogue.image_count} images"
    return ChosenData(catalogue, counted, is_lfw)
