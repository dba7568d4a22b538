"""What all tests share: a home of their own, and one lab, stopped at the end.

The tests never touch the student's own folder but for the cache of weights and reviews, which is
only ever filled with files whose hash is known.
"""

import contextlib
import importlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import hypothesis
import pytest

from workbook import paths
from workbook.errors import WorkbookError
from workbook.lab import client
from workbook.prices import registry

ROOT = Path(__file__).resolve().parent
KEYS = (
    "OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "WORKBOOK_BASE_URL",
    "WORKBOOK_API_KEY",
    "WORKBOOK_MODEL",
)
LAST_OF_THE_CORE = "05"
_folder = pytest.StashKey[Path]()

# No time limits: a busy machine is no fault of the code. One folder may serve all inputs of a test.
hypothesis.settings.register_profile(
    "course",
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
hypothesis.settings.load_profile("course")


def pytest_configure(config: pytest.Config) -> None:
    """Give the session, and every kernel and server started in it, folders of their own."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a script's background: inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="workbook-tests-"))
    config.stash[_folder] = folder
    home = folder / "home"
    home.mkdir()
    borrow_cache(paths.home() / "cache", home / "cache")
    os.environ["WORKBOOK_HOME"] = str(home)
    os.environ["WORKBOOK_WORK"] = str(folder / "work")
    os.environ["WORKBOOK_BACKEND"] = "lab"
    os.environ["WORKBOOK_SCALE"] = "quick"  # the further notebooks: the same cells, in less time
    # Notebooks follow the day; what they printed is compared on the day of their figures.
    os.environ["WORKBOOK_TODAY"] = str(registry.checked())
    for name in KEYS:  # the course must run without any, also where a student has some
        os.environ.pop(name, None)


def borrow_cache(existing: Path, new: Path) -> None:
    """Use the weights that are there already, so that tests need not fetch them again; where there
    are none yet, processes that test side by side (`-n`) fetch them into one place."""
    if not existing.is_dir():
        new.mkdir()
        return
    try:
        new.symlink_to(existing, target_is_directory=True)
    except OSError:  # Windows, without the right to make links
        shutil.copytree(existing, new)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the lab that a notebook's set-up cell has started, and remove the session's folders."""
    folder = config.stash.get(_folder, None)
    if folder is None:
        return
    with contextlib.suppress(WorkbookError):
        client.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Progress goes to stderr, which depends on the moment: nbval is not to compare it.

    The further notebooks (06 and on) belong to the full tier, and run there at the quick scale:
    what they print is not what is stored, so only errors count.

    Where several processes share the files (`-n`), notebooks come first: they take longest, and
    nobody shall wait at the end.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.suffix != ".ipynb")
    for item in items:
        if not hasattr(item.parent, "skip_compare"):
            continue
        if "stderr" not in item.parent.skip_compare:
            item.parent.skip_compare += ("stderr",)
        if item.path.name[:2] > LAST_OF_THE_CORE:
            item.add_marker(pytest.mark.full)
            item.options["check"] = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a file stays in one process, and notebook 05 in that of 04: it asks the models
    that 04 has trained, or trains them itself."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return file.replace("notebooks/05_evaluation", "notebooks/04_training_job")

    return Together(config, log)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh WORKBOOK_HOME and WORKBOOK_WORK for one test; the value is the home."""
    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path / "work"))
    return paths.home()


def lacking(name: str) -> NoReturn:
    """Skip the test for want of a tool or package; on CI, where it must be there, fail."""
    message = f"{name} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def tool() -> Callable[..., str]:
    """`tool("chromium")` → its path."""

    def find(*names: str) -> str:
        found = next(filter(None, map(shutil.which, names)), None)
        return found or lacking(" or ".join(names))

    return find


@pytest.fixture
def package() -> Callable[[str], ModuleType]:
    """`package("transformers")` → the module."""

    def find(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            lacking(name)

    return find
