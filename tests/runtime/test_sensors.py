"""Sensors of a board, on a written-down /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.sensors import Reading, Samples, read_sensors, sampled

NOTHING = Reading(temperatures_c=(), gpu_mhz=None, throttled=(), power_w=None, rails=())


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


ORIN = {
    "class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "class/thermal/thermal_zone0/temp": "51250\n",
    "class/thermal/thermal_zone1/type": "gpu-thermal\n",
    "class/thermal/thermal_zone1/temp": "49500\n",
    "class/thermal/thermal_zone2/type": "cv0-thermal\n",  # asleep: it has no temperature
    "class/thermal/cooling_device0/type": "pwm-fan\n",
    "class/thermal/cooling_device0/cur_state": "2\n",  # a fan that turns holds nothing back
    "class/thermal/cooling_device1/type": "hot-surface-alert\n",
    "class/thermal/cooling_device1/cur_state": "1\n",  # a warning does not either
    "class/thermal/cooling_device2/type": "thermal-cpufreq-0\n",
    "class/thermal/cooling_device2/cur_state": "1\n",
    "class/thermal/cooling_device3/type": "thermal-devfreq-0\n",
    "class/thermal/cooling_device3/cur_state": "0\n",
    "class/devfreq/17000000.gpu/cur_freq": "624750000\n",
    "class/devfreq/15340000.vic/cur_freq": "115200000\n",
    "class/hwmon/hwmon3/in1_label": "VDD_IN\n",
    "class/hwmon/hwmon3/in1_input": "5000\n",
    "class/hwmon/hwmon3/curr1_input": "1400\n",
    "class/hwmon/hwmon3/in2_label": "VDD_CPU_GPU_CV\n",
    "class/hwmon/hwmon3/in2_input": "5000\n",
    "class/hwmon/hwmon3/curr2_input": "300\n",
}


def test_a_board_with_sensors_is_read_in_units_of_people(tmp_path: Path) -> None:
    assert read_sensors(put(tmp_path, ORIN)) == Reading(
        temperatures_c=(("cpu-thermal", 51.25), ("gpu-thermal", 49.5)),
        gpu_mhz=624.75,
        throttled=("thermal-cpufreq-0",),
        power_w=7.0,
        rails=("VDD_IN",),
    )


def test_a_board_without_an_input_rail_is_the_sum_of_its_rails(tmp_path: Path) -> None:
    agx = ORIN | {"class/hwmon/hwmon3/in1_label": "VDD_GPU_SOC\n", "class/hwmon/hwmon3/in3_label": "NC\n"}
    agx |= {"class/hwmon/hwmon3/in3_input": "5000\n", "class/hwmon/hwmon3/curr3_input": "9999\n"}
    found = read_sensors(put(tmp_path, agx))
    assert found.rails == ("VDD_GPU_SOC", "VDD_CPU_GPU_CV") and found.power_w == pytest.approx(8.5)


@pytest.mark.parametrize("brakes", [False, True])
def test_a_fan_and_a_warning_hold_nothing_back(brakes: bool, tmp_path: Path) -> None:
    files = {name: text for name, text in ORIN.items() if "cooling_device" not in name}
    kinds = ["pwm-fan", "hot-surface-alert", *(["cpu-throttle-alert", "thermal-devfreq-0", "cpufreq-cpu4"] * brakes)]
    for place, kind in enumerate(kinds):
        files[f"class/thermal/cooling_device{place}/type"] = f"{kind}\n"
        files[f"class/thermal/cooling_device{place}/cur_state"] = "3\n"
    assert read_sensors(put(tmp_path, files)).throttled == tuple(kinds[2:])


def test_an_input_rail_is_the_whole_and_is_not_summed_with_what_it_feeds(tmp_path: Path) -> None:
    nano = ORIN | {"class/hwmon/hwmon3/in1_label": "POM_5V_IN\n"}
    found = read_sensors(put(tmp_path, nano))
    assert found.rails == ("POM_5V_IN",) and found.power_w == 7.0


@pytest.mark.parametrize("broken", ["", "no number", "\0\n"])
def test_what_cannot_be_read_is_missing_and_nothing_more(tmp_path: Path, broken: str) -> None:
    found = read_sensors(put(tmp_path, ORIN | {"class/thermal/thermal_zone0/temp": broken}))
    assert found.temperatures_c == (("gpu-thermal", 49.5),) and found.power_w == 7.0


def test_a_machine_without_sensors_has_none(tmp_path: Path) -> None:
    assert read_sensors(tmp_path) == NOTHING


def test_sampling_sees_what_changes_meanwhile(tmp_path: Path) -> None:
    root = put(tmp_path, ORIN)
    with sampled(root, period_s=0.001) as samples:
        put(root, {"class/hwmon/hwmon3/curr1_input": "2400\n", "class/thermal/thermal_zone1/temp": "90000\n"})
        put(root, {"class/thermal/cooling_device2/cur_state": "0\n", "class/thermal/cooling_device3/cur_state": "1\n"})
        while len(samples.readings) < 4:
            pass
    assert samples.readings[0].power_w == 7.0 and samples.readings[-1].power_w == 12.0
    assert samples.mean_power_w is not None and 7.0 < samples.mean_power_w < 12.0
    assert samples.hottest_c == 90.0 and samples.throttled == ("thermal-cpufreq-0", "thermal-devfreq-0")
    assert samples.seconds > 0.0


def test_without_sensors_there_is_no_average() -> None:
    samples = Samples([NOTHING, NOTHING])
    assert (samples.mean_power_w, samples.hottest_c, samples.throttled) == (None, None, ())


def test_the_thread_ends_with_the_block_even_when_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), sampled(tmp_path, period_s=0.001) as samples:
        _ = 1 // 0
    count = len(samples.readings)
    assert count >= 2 and len(samples.readings) == count
