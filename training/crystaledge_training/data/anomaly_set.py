"""Images of one kind of thing, normal ones to learn from and labelled ones to be judged by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.sources.images import list_images
from crystaledge_training.data.annotated import BoxXyxy
from crystaledge_training.data.anomaly_boxes import LABELS, read_boxes
from crystaledge_training.data.anomaly_masks import mask_of

GOOD = "good"
_EXPECTED = (
    "MVTec's train/good and test/KIND, or good/ beside a folder for each kind of defect, or a folder of normal images"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """One image of a test; where the defect is may be known by a mask, by boxes, or not at all."""

    path: Path
    defect: str | None
    """Kind of defect, named by its folder; None: normal."""
    mask: Path | None = None
    """Image of the same size, above 0 where the defect is."""
    box_xyxy: tuple[BoxXyxy, ...] = ()
    """x1, y1, x2, y2 in pixels of the image, half-open."""

    @property
    def is_located(self) -> bool:
        """Whether it is known which pixels are defect; they are known of every normal image: none."""
        return self.defect is None or self.mask is not None or bool(self.box_xyxy)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalySet:
    """What there is to learn from and to be judged by; either may be empty."""

    root: Path
    train: tuple[Path, ...]
    """Normal images, or what is taken for them."""
    test: tuple[LabelledImage, ...]
    """Normal images first, then each kind of defect by name."""
    description: str
    """One line for reports: layout, counts, and what was left out."""

    @property
    def defects(self) -> tuple[str, ...]:
        """Kinds of defects that are tested, by name."""
        return tuple(sorted({image.defect for image in self.test if image.defect is not None}))


def read_anomaly_set(root: Path) -> AnomalySet:
    """The images of a folder, in one of three layouts.

    - MVTec AD: `train/good`, `test/good`, `test/KIND`, masks `ground_truth/KIND/NAME_mask.png`.
    - Plain: `good` beside one folder for each kind of defect, and `labels.csv` if there are boxes. Every second normal
      image by name is trained on, the others are tested. A defect image that has the name of a trained one shows
      the same spot (DeepPCB's pairs), so it is left out.
    - A folder of normal images, directly or in `good`: all of them are trained on.

    Names are looked at, and sizes of masks; pixels are not.

    Raises:
        DataError: no such layout, no image in it, defects among the training images, or a mask of another size.
    """
    if (root / "train").is_dir() or (root / "test").is_dir():
        return _mvtec(root)
    if (root / GOOD).is_dir():
        return _plain(root)
    images = list_images(root) if root.is_dir() else []
    if not images:
        msg = f"{root} holds no images in a layout that is known here; expected {_EXPECTED}."
        raise DataError(msg)
    return _normal_only(root, images)


def _mvtec(root: Path) -> AnomalySet:
    strangers = [kind.name for kind in _kinds(root / "train") if kind.name != GOOD]
    if strangers:
        msg = f"{root / 'train'} holds {strangers[0]!r} beside 'good'; train on normal images, move the others to test."
        raise DataError(msg)
    train = _images(root / "train" / GOOD)
    normal = [LabelledImage(path=path, defect=None) for path in _images(root / "test" / GOOD)]
    defects = [
        LabelledImage(path=path, defect=kind.name, mask=mask_of(path, root / "ground_truth" / kind.name))
        for kind in _kinds(root / "test")
        if kind.name != GOOD
        for path in _images(kind)
    ]
    return _checked(root, "MVTec", train, normal + defects, left_out="")


def _plain(root: Path) -> AnomalySet:
    good = _images(root / GOOD)
    kinds = [kind for kind in _kinds(root) if kind.name != GOOD and _images(kind)]
    if not kinds:
        return _normal_only(root, good)
    boxes = read_boxes(root / LABELS) if (root / LABELS).is_file() else {}
    train, normal = good[::2], good[1::2]
    seen = {path.name for path in train}
    defects = [
        LabelledImage(path=path, defect=kind.name, box_xyxy=boxes.get(path.name, ()))
        for kind in kinds
        for path in _images(kind)
    ]
    kept = [image for image in defects if image.path.name not in seen]
    left_out = "of the normal images every second by name trains, the others test"
    if len(kept) < len(defects):
        left_out += f"; {len(defects) - len(kept)} defect images left out, which show what a training image shows"
    return _checked(root, "plain folders", train, [LabelledImage(path=p, defect=None) for p in normal] + kept, left_out)


def _normal_only(root: Path, images: list[Path]) -> AnomalySet:
    return _checked(root, "normal images alone", images, [], left_out="")


def _checked(root: Path, layout: str, train: list[Path], test: list[LabelledImage], left_out: str) -> AnomalySet:
    if not train and not test:
        msg = f"{root} ({layout}) holds no image; expected {_EXPECTED}."
        raise DataError(msg)
    normal = sum(image.defect is None for image in test)
    text = f"folder {root.name!r} ({layout}): {len(train)} normal images to train on"
    if test:
        text += f"; tested on {normal} normal and {len(test) - normal} defect images"
    hidden = sum(not image.is_located for image in test)
    if hidden:
        text += f", {hidden} of them without a mask"
    text += f"; {left_out}" if left_out else ""
    return AnomalySet(root=root, train=tuple(train), test=tuple(test), description=text)


def _kinds(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    return list_images(folder) if folder.is_dir() else []
