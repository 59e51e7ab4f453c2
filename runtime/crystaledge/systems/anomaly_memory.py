"""What the host of an anomaly bundle scores with: the decision's parameters, and the bank where there is one."""

from __future__ import annotations

import io

import numpy as np

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.scoring import Scoring
from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError
from crystaledge.manifest.model import FileRole, anomaly_decision
from crystaledge.systems.anomaly_contract import BANK, MEMORY_FILE


def scoring_of(bundle: Bundle) -> Scoring:
    """How a bundle's images are scored.

    Raises:
        ContractError: it decides about no anomalies, or needs a bank that it does not hold.
    """
    decision = anomaly_decision(bundle.manifest.decision, where=str(bundle.path))
    bank = _bank(bundle)
    if bank is None and (decision.neighbours or decision.rerank):
        msg = f"{bundle.path} weighs scores by a bank of patches but holds none at {MEMORY_FILE}; export it again."
        raise ContractError(msg)
    return Scoring(blur_cells=decision.blur_cells, neighbours=decision.neighbours, rerank=decision.rerank, bank=bank)


def _bank(bundle: Bundle) -> Bank | None:
    if all(entry.role is not FileRole.MEMORY for entry in bundle.manifest.files):
        return None
    try:
        with np.load(io.BytesIO(bundle.contents[MEMORY_FILE]), allow_pickle=False) as file:
            items = file[BANK]
    except (KeyError, ValueError, OSError) as error:
        msg = f"{bundle.path}: {MEMORY_FILE} holds no array {BANK!r} ({error}); export the bundle again."
        raise ContractError(msg) from error
    return Bank(items.astype(np.float32))
