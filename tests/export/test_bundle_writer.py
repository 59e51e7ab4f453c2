"""Writing bundles whole or not at all, and the same bytes every time."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, npz_bytes, write_bundle
from crystaledge.errors import BundleError, ManifestError, OutputExistsError
from crystaledge.files import sha256_of
from crystaledge.manifest.model import FileEntry, FileRole, Manifest
from crystaledge_export.export import Exported

NAMES = st.from_regex(r"[a-z][a-z_.]{0,8}[a-z]", fullmatch=True)
ARRAYS = st.one_of(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=0, max_side=4)),
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_side=4), elements=st.floats(width=32)),
)


@pytest.fixture
def manifest(exported: Exported) -> Manifest:
    return exported.bundle.manifest


@pytest.fixture
def parts(exported: Exported) -> tuple[Part, ...]:
    """The parts of a real bundle."""
    bundle = exported.bundle
    return tuple(Part(e.path, e.role, bundle.contents[e.path]) for e in bundle.manifest.files)


class TestBundle:
    def test_is_written_with_its_folders_and_can_be_opened(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        bundle = write_bundle(tmp_path / "deep" / "a.bundle", manifest, parts, force=False)
        assert bundle.path == tmp_path / "deep" / "a.bundle"
        assert Bundle.open(bundle.path).manifest == manifest
        assert bundle.contents == {part.path: part.data for part in parts}

    def test_is_the_same_every_time_whatever_the_order_of_its_parts(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        write_bundle(tmp_path / "a", manifest, parts, force=False)
        write_bundle(tmp_path / "b", manifest, parts[::-1], force=False)
        names = [*(part.path for part in parts), "manifest.json"]
        assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names)

    def test_can_be_read_by_others_than_its_owner(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        write_bundle(tmp_path / "a", manifest, parts, force=False)
        assert (tmp_path / "a").stat().st_mode & 0o055 == 0o055

    def test_is_refused_where_something_is(self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path) -> None:
        write_bundle(tmp_path / "a", manifest, parts, force=False)
        with pytest.raises(OutputExistsError):
            write_bundle(tmp_path / "a", manifest, parts, force=False)

    def test_is_not_left_half_where_a_part_does_not_have_its_hash(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        spoiled = (replace(parts[0], data=parts[0].data + b"\0"), *parts[1:])
        with pytest.raises(BundleError, match="SHA-256 differs"):
            write_bundle(tmp_path / "a", manifest, spoiled, force=False)
        assert not list(tmp_path.iterdir())

    def test_is_not_left_half_where_a_part_is_missing(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        with pytest.raises(BundleError, match="no readable"):
            write_bundle(tmp_path / "a", manifest, parts[:-1], force=False)
        assert not list(tmp_path.iterdir())

    def test_is_not_begun_with_a_manifest_that_breaks_the_contract(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        with pytest.raises(ManifestError, match="no graph"):
            write_bundle(tmp_path / "new" / "a", replace(manifest, graphs=()), parts, force=False)
        assert not list(tmp_path.iterdir())

    def test_replaces_the_old_one_only_when_the_new_one_is_whole(
        self, manifest: Manifest, parts: tuple[Part, ...], tmp_path: Path
    ) -> None:
        write_bundle(tmp_path / "a", manifest, parts, force=False)
        newer = replace(manifest, licence="another")
        with pytest.raises(BundleError):
            write_bundle(tmp_path / "a", newer, parts[:-1], force=True)
        assert Bundle.open(tmp_path / "a").manifest == manifest
        write_bundle(tmp_path / "a", newer, parts, force=True)
        assert Bundle.open(tmp_path / "a").manifest == newer
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    def test_parts_know_their_entry(self) -> None:
        part = Part("golden/x.npz", FileRole.GOLDEN, b"abc")
        assert part.entry == FileEntry(path="golden/x.npz", sha256=sha256_of(b"abc"), role=FileRole.GOLDEN)


class TestNpz:
    @given(arrays=st.dictionaries(NAMES, ARRAYS, max_size=4))
    def test_comes_back_and_is_the_same_in_any_order(
        self, arrays: dict[str, NDArray[np.float32] | NDArray[np.uint8]]
    ) -> None:
        data = npz_bytes(arrays)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            assert set(archive) == set(arrays)
            for name, array in arrays.items():
                assert archive[name].dtype == array.dtype
                assert archive[name].shape == array.shape
                np.testing.assert_array_equal(archive[name], array)
        assert npz_bytes(dict(reversed(arrays.items()))) == data

    def test_holds_no_time(self) -> None:
        data = npz_bytes({"a": np.zeros(2, np.float32)})
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]

    def test_memory_layout_does_not_show(self) -> None:
        array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        turned = np.asfortranarray(array)
        assert npz_bytes({"a": turned}) == npz_bytes({"a": array})
        assert npz_bytes({"a": array[:, ::2]}) == npz_bytes({"a": array[:, ::2].copy()})

    def test_another_value_gives_other_bytes(self) -> None:
        assert npz_bytes({"a": np.zeros(2, np.float32)}) != npz_bytes({"a": np.ones(2, np.float32)})
