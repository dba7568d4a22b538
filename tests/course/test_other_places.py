"""The files that open the course in VS Code, Codespaces and on Binder."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from workbook import paths

CONTAINER = paths.ROOT / ".devcontainer"
BINDER = paths.ROOT / ".binder"
# https://containers.dev/implementors/json_reference: what a container from an image may say.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "image": str,
    "hostRequirements": dict,
    "postCreateCommand": (str, list, dict),
    "forwardPorts": list,
    "portsAttributes": dict,
    "otherPortsAttributes": dict,
    "customizations": dict,
}
PORT_FIELDS = {"label", "protocol", "onAutoForward", "requireLocalPort", "elevateIfNeeded"}


def test_the_container_says_what_the_schema_has() -> None:
    container = json.loads((CONTAINER / "devcontainer.json").read_text(encoding="utf-8"))
    for name, value in container.items():
        assert isinstance(value, FIELDS[name]), name
    assert set(container["hostRequirements"]) <= {"cpus", "memory", "storage", "gpu"}
    assert all(re.fullmatch(r"\d+[tgmk]b", container["hostRequirements"][n]) for n in ("memory",))
    for ports in (*container["portsAttributes"].values(), container["otherPortsAttributes"]):
        assert set(ports) <= PORT_FIELDS
    script = container["postCreateCommand"].removeprefix("bash ")
    assert (paths.ROOT / script).is_file()


@pytest.mark.parametrize("script", [CONTAINER / "set_up.sh", BINDER / "postBuild"])
def test_scripts_are_shell_and_name_what_is_there(script: Path, tool) -> None:
    subprocess.run([tool("bash"), "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    [code] = re.findall(r'python -c "(.*)"', text)
    compile(code, str(script), "exec")
    from workbook.lab.model import weights

    assert callable(weights.ensure) and code.endswith("weights.ensure()")
    assert script.stat().st_mode & 0o100


def test_binder_installs_the_pins_on_the_python_that_the_course_is_tested_with() -> None:
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    [other] = [line.split()[1] for line in lines if line.startswith("-r ")]
    assert (BINDER / other).resolve() == paths.ROOT / "requirements.txt"
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.11"
