"""The memory of normal patches (PatchCore): exact nearest neighbours, and the weight of the winner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError

Array = NDArray[np.float32]
_CHUNK_ROWS = 1024
"""Queries whose distances to the whole bank are held at once."""


class Bank:
    """Patches of normal images, held once, searched exactly.

    Args:
        items: float32 `(M, D)`, M at least 1; kept as it is.

    Raises:
        ContractError: another shape, or values that are not finite.
    """

    def __init__(self, items: Array) -> None:
        if items.ndim != 2 or not items.size or not np.isfinite(items).all():
            msg = f"A bank of patches is {list(items.shape)} or not finite; expected finite float32 (M, D), M > 0."
            raise ContractError(msg)
        self._items = np.ascontiguousarray(items, np.float32)
        # Seen from their middle, products are small, and what float32 loses of them too.
        self._middle: Array = self._items.mean(axis=0)
        self._centred: Array = self._items - self._middle
        self._half_norms = 0.5 * np.einsum("md,md->m", self._centred, self._centred)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def dimensions(self) -> int:
        """Length of a patch."""
        return int(self._items.shape[1])

    def nearest(self, queries: Array) -> tuple[Array, NDArray[np.int64]]:
        """Distance of each query `(N, D)` to its nearest item, Euclidean, and that item's row; both `(N,)`.

        The winner has the largest q.m - |m|^2 / 2; its distance is then taken from the difference itself, since
        |q|^2 - 2 q.m + |m|^2 loses what small distances are made of.
        """
        rows = np.empty(len(queries), np.int64)
        for start in range(0, len(queries), _CHUNK_ROWS):
            likeness = (queries[start : start + _CHUNK_ROWS] - self._middle) @ self._centred.T
            likeness -= self._half_norms
            rows[start : start + _CHUNK_ROWS] = likeness.argmax(axis=1)
        apart = queries - self._items[rows]
        return np.sqrt(np.einsum("nd,nd->n", apart, apart)), rows

    def weight(self, query: Array, row: int, *, neighbours: int) -> float:
        """How much the distance of a query `(D,)` to item `row` counts, in [0, 1] (Roth et al. 2022, eq. 7).

        `1 - exp(d(q, m)) / sum over the b items n nearest to m, itself among them, of exp(d(q, n))`: less where the
        items around m are as near, that is where m lies in a dense part of what is normal.
        """
        item = self._items[row]
        to_item = np.einsum("md,md->m", self._items - item, self._items - item)
        around = np.argpartition(to_item, min(neighbours, len(self)) - 1)[: min(neighbours, len(self))]
        apart = self._items[around] - query
        distances = np.sqrt(np.einsum("nd,nd->n", apart, apart))
        own = float(np.sqrt(np.square(item - query).sum()))
        top = max(float(distances.max()), own)
        total = float(np.exp(distances - top).sum())
        if row not in around:  # ties with others of its own place
            total += np.exp(own - top)
        return 1.0 - float(np.exp(own - top)) / total
