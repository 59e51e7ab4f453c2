"""Resume files without pickle: nested structures of tensors go into one safetensors file and come back."""

from __future__ import annotations

import math
import pickletools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO, flatten, unflatten

TENSORS = st.builds(
    lambda shape, dtype, seed: (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 9).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool]),
    st.integers(0, 99),
)
KEYS = st.one_of(st.text(max_size=5), st.integers(-9, 9), st.sampled_from(["a/b", "a", "b", "", "/", "1"]))
LEAVES = st.one_of(
    TENSORS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(math.inf)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type, all the way down; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        # The order of a dictionary matters: an optimiser's state is matched by it.
        if [(type(k), k) for k in a] != [(type(k), k) for k in b]:
            return False
        return all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)


@given(tree=TREES)
def test_any_structure_comes_back(tree: Any) -> None:
    tensors: dict[str, Tensor] = {}
    assert same(unflatten(flatten(tree, tensors), tensors.__getitem__), tree)


@given(tree=st.dictionaries(KEYS, TREES, max_size=4))
def test_any_state_comes_back_from_a_file(tmp_path_factory: pytest.TempPathFactory, tree: dict[Any, Any]) -> None:
    path = tmp_path_factory.mktemp("resume") / "last.resume"
    SafetensorsCheckpointIO().save_checkpoint(tree, path)
    assert same(SafetensorsCheckpointIO().load_checkpoint(path), tree)


def test_the_state_of_an_optimiser_comes_back(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    SafetensorsCheckpointIO().save_checkpoint({"optimizer": optimizer.state_dict()}, tmp_path / "a")
    found = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a")["optimizer"]
    assert same(found, optimizer.state_dict())
    assert list(found["state"]) == [0, 1]  # integers, not strings


@pytest.mark.parametrize(
    "tree",
    [
        {"a/b": torch.tensor([1.0]), "a": {"b": torch.tensor([2.0])}},
        {1: torch.tensor([1.0]), "1": torch.tensor([2.0])},
        {"a": [torch.tensor([1.0])], "a/0": torch.tensor([2.0])},
    ],
    ids=["a slash in a key", "an integer and its text", "an index and a key"],
)
def test_tensors_with_similar_paths_are_not_mixed_up(tree: dict[Any, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    assert same(unflatten(flatten(tree, tensors), tensors.__getitem__), tree)


def test_a_tensor_that_is_held_twice_comes_back_twice(tmp_path: Path) -> None:
    tensor = torch.arange(4.0)
    tree = {"first": tensor, "second": tensor, "part": tensor[1:3]}
    SafetensorsCheckpointIO().save_checkpoint(tree, tmp_path / "a")
    assert same(SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a"), tree)


def test_tensors_are_stored_without_their_history_and_in_plain_order(tmp_path: Path) -> None:
    weight = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_(True)
    SafetensorsCheckpointIO().save_checkpoint({"w": weight * 2}, tmp_path / "a")
    found = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a")["w"]
    assert torch.equal(found, weight.detach() * 2)
    assert not found.requires_grad


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j, Path("x"), len], ids=lambda v: type(v).__name__)
def test_refuses_what_it_cannot_keep_and_says_where(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError, match=rf"a {type(value).__name__} at /callbacks/best/0, "):
        SafetensorsCheckpointIO().save_checkpoint({"callbacks": {"best": [value]}}, tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", [(1, 2), Path("x"), b"k"], ids=lambda k: type(k).__name__)
def test_refuses_keys_that_json_cannot_hold(tmp_path: Path, key: object) -> None:
    with pytest.raises(DataError):
        SafetensorsCheckpointIO().save_checkpoint({"callbacks": {key: 1}}, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_the_file_is_safetensors_and_holds_no_pickle(tmp_path: Path) -> None:
    SafetensorsCheckpointIO().save_checkpoint({"w": torch.ones(2), "epoch": 3}, tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    assert [t.tolist() for t in load(data).values()] == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="opcode"):
        list(pickletools.genops(data))


def test_equal_states_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        SafetensorsCheckpointIO().save_checkpoint({"w": torch.ones(2), "v": torch.zeros(3), "n": 1}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    SafetensorsCheckpointIO().save_checkpoint({"n": 1}, tmp_path / "a")
    with pytest.raises(DataError):
        SafetensorsCheckpointIO().save_checkpoint({"n": object()}, tmp_path / "a")
    assert SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a") == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("kept", [0, 4, 20, -1])
def test_refuses_a_truncated_file(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a"
    SafetensorsCheckpointIO().save_checkpoint({"w": torch.ones(2)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="Cannot resume from"):
        SafetensorsCheckpointIO().load_checkpoint(path)


def test_refuses_a_pickle_and_does_not_run_it(tmp_path: Path) -> None:
    marker = tmp_path / "was_here"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.save({"w": Bomb()}, tmp_path / "a")
    with pytest.raises(DataError, match="Cannot resume from"):
        SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a")
    assert not marker.exists()
    torch.load(tmp_path / "a", weights_only=False)  # the bomb is real
    assert marker.exists()


def test_refuses_a_foreign_safetensors_file_and_a_missing_one(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.ones(1)}, tmp_path / "foreign")
    for name in ("foreign", "missing"):
        with pytest.raises(DataError, match="Cannot resume from"):
            SafetensorsCheckpointIO().load_checkpoint(tmp_path / name)


def test_removes_a_file_and_does_not_mind_that_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    SafetensorsCheckpointIO().save_checkpoint({"n": 1}, path)
    SafetensorsCheckpointIO().remove_checkpoint(path)
    SafetensorsCheckpointIO().remove_checkpoint(path)
    assert not path.exists()
