"""The environment check: what is amiss is named, with what to do about it."""

import importlib.metadata
import shutil
import sys
from types import SimpleNamespace

import psutil
import pytest

from helpers import environment
from workbook.lab import client


def test_this_machine_runs_its_own_tests(capsys: pytest.CaptureFixture) -> None:
    assert [finding.subject for finding in environment.look() if not finding.fine] == []
    environment.check()
    assert "ready for the course" in capsys.readouterr().out


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    finding = environment.python()
    assert not finding.fine and "3.11" in finding.fix


def test_a_missing_and_an_old_package_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "gguf":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.9" if name == "openai" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = environment.packages()
    assert "gguf is missing" in finding.state and "openai is 1.9, not >=2.54" in finding.state
    assert "requirements.txt" in finding.fix
    environment.check()
    assert "Mend these first: Packages" in capsys.readouterr().out


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=300_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    finding = environment.disk()
    assert finding.state == "0.3 GB free"
    assert not finding.fine and "WORKBOOK_HOME" in finding.fix


@pytest.mark.parametrize(("total", "fine"), [(4_000_000_000, False), (16_000_000_000, True)])
def test_memory_is_known_on_every_system(
    monkeypatch: pytest.MonkeyPatch, total: int, fine: bool
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total))
    finding = environment.memory()
    assert (finding.state, finding.fine) == (f"{total // 10**9} GB", fine)
    assert bool(finding.fix) != fine


def test_a_slow_processor_is_a_warning_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "matmul_gflops", lambda: 3.0)
    monkeypatch.setattr(client, "running", lambda: None)
    finding = environment.processor()
    assert finding.state.endswith("3 billion operations a second")
    assert finding.fine and "longer" in finding.fix


def test_the_labs_own_measurement_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = {"gflops": 970, "dtype": "bfloat16", "version": "1"}
    monkeypatch.setattr(client, "running", lambda: lab)
    assert environment.processor().state.endswith("970 billion operations a second in bfloat16")
    assert environment.lab().state == "running, version 1"


def test_the_speed_is_plausible() -> None:
    assert 0.1 < environment.matmul_gflops(size=256, tries=2) < 100_000
