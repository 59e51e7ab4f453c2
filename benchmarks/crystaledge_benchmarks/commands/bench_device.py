"""`crystaledge bench --backend tensorrt`."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.jsonio import encode
from crystaledge_benchmarks.bench_record import Standing
from crystaledge_benchmarks.device_bench import keep_device_record, measure_engines
from crystaledge_benchmarks.device_record import DeviceBenchRecord, DeviceRow


def run(arguments: Namespace) -> Outcome:
    """Measure the engines that were built here; see the verb's help."""
    bundle = Bundle.open(arguments.bundle)
    record = measure_engines(bundle, engine_options(arguments), rounds=arguments.rounds, say=talk)
    keep_device_record(bundle, record)
    passed = any(row.standing is Standing.PASSED for row in record.rows)
    return Outcome(text=_text(record), data=encode(record), passed=passed)


def _text(record: DeviceBenchRecord) -> str:
    board, device = record.board, record.device
    lines = [_line(row) for row in record.rows]
    lines.append(
        f"{board.board.model}, JetPack {board.board.jetpack}, power mode {board.power_mode}, GPU clock "
        f"{_number(board.gpu_mhz_before, 'MHz')} to {_number(board.gpu_mhz_after, 'MHz')}, hottest "
        f"{_number(board.hottest_c, 'degrees C')}, throttled: {', '.join(board.throttled) or 'nothing'}"
    )
    rails = f" of {' + '.join(board.rails)}" if board.rails else ""
    lines.append(f"mean power{rails} {_number(board.mean_power_w, 'W')}; jitter is p99 - p50")
    where = f"{device.name}, SM {device.compute_capability}, CUDA {device.driver}"
    lines.append(f"{where}, {record.backend} {record.backend_version}")
    lines.append(record.verdict)
    return "\n".join(lines)


def _line(row: DeviceRow) -> str:
    times = (
        ("p50", row.p50_ms),
        ("p90", row.p90_ms),
        ("p99", row.p99_ms),
        ("max", row.max_ms),
        ("jitter", row.jitter_ms),
    )
    energy = f"energy {_number(row.energy_mj, 'mJ')}"
    inside = f"enqueue {_number(row.enqueue_p50_ms, 'ms')}, compute {_number(row.compute_p50_ms, 'ms')}"
    told = " ".join(f"{name} {value:.4f}" for name, value in times)
    name = f"{row.graph} in {row.engine}, {row.tracks} tracks"
    return f"{name}: {told} ms; {inside}; {energy}; {row.standing.value}: {row.says}"


def _number(value: float | None, unit: str) -> str:
    return "not readable" if value is None else f"{value:.4g} {unit}"
