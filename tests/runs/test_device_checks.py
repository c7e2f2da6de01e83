"""Saved checks of devices."""

from pathlib import Path

import pytest

from sparsekd.errors import BadInput
from sparsekd.runs import device_checks
from sparsekd.runs.device_checks import DeviceCheck


def check(device: str, **changes: int) -> DeviceCheck:
    counts = {"ok": 3, "differ": 0, "failed": 0, "not_run": 1} | changes
    return DeviceCheck(device, "a processor", "0.1.0", "2.13.0", 1e9, **counts)


def test_the_last_check_of_each_device_is_kept(home: Path):
    assert device_checks.load("cpu") is None
    device_checks.save(check("cpu", failed=1))
    device_checks.save(check("cuda:0"))
    device_checks.save(check("cpu", ok=5))
    assert device_checks.load("cpu") == check("cpu", ok=5)
    assert device_checks.load("cuda:0") == check("cuda:0")


def test_a_check_with_a_step_that_failed_or_differs_has_not_passed():
    assert check("cpu").passed
    assert not check("cpu", failed=1).passed
    assert not check("cpu", differ=1).passed


def test_a_device_is_called_checked_or_not_checked_yet(home: Path):
    assert device_checks.in_words("cpu") == "not checked yet: run the check"
    device_checks.save(check("cpu"))
    assert device_checks.in_words("cpu") == "checked on 09 September 2001, torch 2.13.0"
    device_checks.save(check("cpu", differ=1, failed=1))
    assert device_checks.in_words("cpu").endswith("torch 2.13.0: 2 of 5 steps are wrong")


@pytest.mark.parametrize("text", ["{", '{"cpu": {}}'])
def test_a_damaged_file_is_named(home: Path, text: str):
    (home / device_checks.FILE).write_text(text)
    with pytest.raises(BadInput, match=r"device_checks\.json is damaged"):
        device_checks.load("cpu")
