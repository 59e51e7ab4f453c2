"""One training run of PatchCore: normal images in, a checkpoint with its memory and its threshold out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from tqdm import tqdm

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.system import System
from crystaledge_training.anomaly.calibrate import calibrated
from crystaledge_training.anomaly.check_images import require_usable
from crystaledge_training.anomaly.outside_data import OUTSIDE_DATA
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance, write_checkpoint
from crystaledge_training.data.anomaly_set import AnomalySet
from crystaledge_training.patchcore.coreset import greedy_coreset
from crystaledge_training.patchcore.limits import bank_rows_of, cells_hw, require_room
from crystaledge_training.patchcore.network import PatchCore, PatchFeatures
from crystaledge_training.patchcore.pool import patches_of
from crystaledge_training.patchcore.split import RememberedSplit, split_remembered
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig
from crystaledge_training.run_folder import RunFolder, claim_folder

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCoreTrainRequest:
    """What to remember and where to put it."""

    data: AnomalySet
    data_licence: str
    out: Path
    config: PatchCoreTrainConfig = PatchCoreTrainConfig()
    progress: bool = True
    say: Callable[[str], None] = lambda line: None
    force: bool = False
    """Remove whatever is at `out` and start again."""


@dataclass(frozen=True, slots=True)
class PatchCoreTrainResult:
    """What a run left behind."""

    checkpoint: Path
    bank_rows: int
    patches: int
    """Of all remembered images."""
    decision: AnomalyDecision
    training_seconds: float


def train(request: PatchCoreTrainRequest) -> PatchCoreTrainResult:
    """Fill a memory, choose its threshold, and write `out/best.safetensors`; nothing is written before both are done.

    Raises:
        DataError: too few normal images, one that cannot be used, images too large for the memory allowed, or `out`
            holds a run with another configuration or other data.
        OutputExistsError: `out` is there and no run.
    """
    started, config = time.monotonic(), request.config
    split = split_remembered(request.data.train, holdout=config.holdout, seed=config.seed)
    folder = _claim(request)
    require_room(config, len(split.remembered))
    require_usable(split.remembered + split.held_out, config.preprocessing)
    height, width = cells_hw(config)
    patches = len(split.remembered) * height * width
    network = _network(request, split, patches)
    decision = _decision(request, network, split)
    seconds = time.monotonic() - started
    result = PatchCoreTrainResult(request.out / BEST, len(network.bank), patches, decision, seconds)
    _write(request, folder, network, split, result)
    return result


def _claim(request: PatchCoreTrainRequest) -> RunFolder:
    """Configuration and images make a run."""
    data = request.data
    names = [str(path.relative_to(data.root)) for path in data.train]
    facts = {"config": json.loads(dumps(request.config)), "data_sha256": sha256_of(json.dumps(names).encode())}
    return claim_folder(request.out, facts, force=request.force, inputs=[data.root])


def _network(request: PatchCoreTrainRequest, split: RememberedSplit, patches: int) -> PatchCore:
    """The network with its memory of the remembered images' patches."""
    config = request.config
    features = PatchFeatures(config.network, pretrained=True).eval()
    with _bar(request, "images", len(split.remembered)) as progress:
        pool = patches_of(features, split.remembered, config, progress=progress)
    if len(pool) < patches:
        request.say(f"the memory is chosen from {len(pool)} of {patches} patches, drawn by seed; more would not fit")
    count = bank_rows_of(config, patches)
    if count < int(patches * config.bank_share):
        request.say(
            f"the memory keeps {count} patches, not {int(patches * config.bank_share)}: more cannot be searched"
        )
    with _bar(request, "memory", count) as progress:
        chosen = greedy_coreset(pool, count, seed=config.seed, progress=progress)
    network = PatchCore(replace(config.network, bank_rows=len(chosen)))
    network.features.load_state_dict(features.state_dict())
    network.remember(pool[torch.from_numpy(chosen)])
    return network


def _decision(request: PatchCoreTrainRequest, network: PatchCore, split: RememberedSplit) -> AnomalyDecision:
    config = request.config
    scoring = Scoring(blur_cells=config.blur_cells, neighbours=config.neighbours, bank=Bank(network.bank.numpy()))
    return calibrated(
        network,
        split.held_out,
        config.preprocessing,
        scoring,
        false_alarm_rate=config.false_alarm_rate,
        data=request.data.description,
    )


def _write(
    request: PatchCoreTrainRequest,
    folder: RunFolder,
    network: PatchCore,
    split: RememberedSplit,
    result: PatchCoreTrainResult,
) -> None:
    config, weights = request.config, network.state_dict()
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.PATCHCORE,
        network=network.config,
        preprocessing=config.preprocessing,
        decision=result.decision,
        provenance=TrainingProvenance(
            package_version=version("crystaledge"),
            torch_version=torch.__version__,
            seed=config.seed,
            epochs=1,
            best_epoch=0,
            training_seconds=round(result.training_seconds, 1),
            data=request.data.description,
            outside_data=OUTSIDE_DATA[config.network.backbone],
            people_trained=0,
            people_validated=0,
            images_trained=len(split.remembered),
            images_validated=len(split.held_out),
            licence=request.data_licence,
        ),
        validation=(("validation/score_median", result.decision.centre),),
    )
    folder.take()
    write_checkpoint(request.out / BEST, record, weights)


@contextmanager
def _bar(request: PatchCoreTrainRequest, label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives what is to be told how many are done."""
    with tqdm(total=total, desc=label, leave=False, disable=not request.progress) as bar:
        yield lambda done: bar.update(done - bar.n)
