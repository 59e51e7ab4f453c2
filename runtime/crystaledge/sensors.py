"""What a board feels while it works: temperatures, clocks, throttling, power; from sysfs, without root."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SYS = Path("/sys")
_PERIOD_S = 0.1
_INPUT_RAILS = ("VDD_IN", "POM_5V_IN")
"""Rails that feed a whole module, where a family has one (Orin Nano and NX, Nano, TX2)."""
_NO_RAIL = ("", "NC", "sum of shunt voltages")
_NO_BRAKE = ("fan", "surface-alert")
"""Cooling that holds nothing back: a fan that turns, a warning that the case is hot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at the sensors; what a board does not have is missing."""

    temperatures_c: tuple[tuple[str, float], ...]
    gpu_mhz: float | None
    throttled: tuple[str, ...]
    """Cooling devices that hold something back just now."""
    power_w: float | None
    """Of the module: its input rail where it has one, else the sum of its rails (AGX)."""
    rails: tuple[str, ...]
    """What that is the power of."""


def read_sensors(sys: Path = SYS) -> Reading:
    """Look at every sensor once."""
    power = _power_w(sys)
    zones = sorted(sys.glob("class/thermal/thermal_zone*"))
    temperatures = [(_text(zone / "type"), _number(zone / "temp")) for zone in zones]
    clocks = [_number(path / "cur_freq") for path in sorted(sys.glob("class/devfreq/*")) if _is_gpu(path)]
    cooling = sorted(sys.glob("class/thermal/cooling_device*"))
    held = [_text(device / "type") for device in cooling if (_number(device / "cur_state") or 0.0) > 0.0]
    held = [name for name in held if not any(word in name for word in _NO_BRAKE)]
    return Reading(
        temperatures_c=tuple((name, value / 1000.0) for name, value in temperatures if name and value is not None),
        gpu_mhz=next((clock / 1e6 for clock in clocks if clock is not None), None),
        throttled=tuple(held),
        power_w=sum(power.values()) if power else None,
        rails=tuple(power),
    )


@dataclass(slots=True)
class Samples:
    """Readings of a stretch of time."""

    readings: list[Reading] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mean_power_w(self) -> float | None:
        """None where the board has no such sensor."""
        watts = [reading.power_w for reading in self.readings if reading.power_w is not None]
        return sum(watts) / len(watts) if watts else None

    @property
    def hottest_c(self) -> float | None:
        """Highest temperature of any zone at any time."""
        return max((value for reading in self.readings for _, value in reading.temperatures_c), default=None)

    @property
    def throttled(self) -> tuple[str, ...]:
        """Whatever held back at any time."""
        return tuple(dict.fromkeys(name for reading in self.readings for name in reading.throttled))


@contextmanager
def sampled(sys: Path = SYS, *, period_s: float = _PERIOD_S) -> Iterator[Samples]:
    """Look at the sensors again and again, in a thread of its own, while the block runs; twice at least."""
    samples, done = Samples([read_sensors(sys)]), threading.Event()

    def look() -> None:
        while not done.wait(period_s):
            samples.readings.append(read_sensors(sys))

    thread = threading.Thread(target=look, name="sensors", daemon=True)
    started = time.monotonic()
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
        samples.seconds = time.monotonic() - started
        samples.readings.append(read_sensors(sys))


def _power_w(sys: Path) -> dict[str, float]:
    """Volts by amperes of each rail, as an INA3221 shows them; of the input rail alone where there is one."""
    found = {}
    for label in sorted(sys.glob("class/hwmon/hwmon*/in*_label")):
        name, channel = _text(label), label.name.removeprefix("in").removesuffix("_label")
        millivolts = _number(label.with_name(f"in{channel}_input"))
        milliamperes = _number(label.with_name(f"curr{channel}_input"))
        if name not in _NO_RAIL and millivolts is not None and milliamperes is not None:
            found[name] = millivolts * milliamperes / 1e6
    whole = {name: watts for name, watts in found.items() if name in _INPUT_RAILS}
    return whole or found


def _is_gpu(path: Path) -> bool:
    return any(word in path.name for word in ("gpu", "gv11b", "ga10b", "gb10b"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # some zones refuse while their unit sleeps
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None
