"""`crystaledge train patchcore`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict, replace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.commands.foreign import OF_PEOPLE, refuse_foreign
from crystaledge_training.data.anomaly_set import read_anomaly_set
from crystaledge_training.patchcore.config import PUBLISHED_PATCHES, PatchCoreConfig
from crystaledge_training.patchcore.train import PatchCoreTrainRequest, PatchCoreTrainResult, train
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig


def run(arguments: Namespace) -> Outcome:
    """Fill a memory; see the verb's help."""
    refuse_foreign(arguments, (*OF_PEOPLE, "student"))
    if arguments.epochs or arguments.stop_after:
        msg = "PatchCore looks at each image once; leave --epochs and --stop-after out."
        raise UsageError(msg)
    config = _config(arguments)
    data = read_anomaly_set(arguments.data)
    talk(f"training patchcore on {data.description}")
    request = PatchCoreTrainRequest(
        data=data,
        data_licence=arguments.licence,
        out=arguments.out,
        config=config,
        progress=sys.stderr.isatty() and not arguments.json,
        say=talk,
        force=arguments.force,
    )
    return _outcome(train(request))


def _config(arguments: Namespace) -> PatchCoreTrainConfig:
    config = PatchCoreTrainConfig()
    given = {
        name: value
        for name in ("bank_share", "holdout", "false_alarm_rate", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    network = _network(arguments.backbone, config.network)
    return replace(config, network=network, size_hw=arguments.size or config.size_hw, **given)


def _network(backbone: BackboneKind | None, default: PatchCoreConfig) -> PatchCoreConfig:
    return PUBLISHED_PATCHES if backbone is BackboneKind.PUBLISHED else default


def _outcome(result: PatchCoreTrainResult) -> Outcome:
    decision = result.decision
    low, high = decision.false_alarm_interval
    text = (
        f"{result.checkpoint}: {result.bank_rows} of {result.patches} patches remembered; threshold "
        f"{decision.threshold:.4g} from {decision.held_out} held-out images, which leave the false-alarm rate between "
        f"{low:.3f} and {high:.3f} (asked: {decision.false_alarm_rate:g}), {decision.left_out} likely defects left "
        f"out; {result.training_seconds / 60:.1f} min"
    )
    data = {
        "checkpoint": str(result.checkpoint),
        "bank_rows": result.bank_rows,
        "patches": result.patches,
        "decision": asdict(decision),
        "training_seconds": result.training_seconds,
    }
    return Outcome(text=text, data=data)
