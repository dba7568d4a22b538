"""Fetching through pip, without a network: pip looks into a folder, or a stand-in replaces it."""

import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import venv
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tidying
from tqdm import tqdm

from workbook import fetch

CONTENT = b"what the course needs\n" * 1000
BACKEND = """
import os
def get_requires_for_build_wheel(config_settings=None):
    return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.makedirs(os.path.join(folder, "parcel-1.0.dist-info"))
    with open(os.path.join(folder, "parcel-1.0.dist-info", "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: parcel\\nVersion: 1.0\\n")
    return "parcel-1.0.dist-info"
"""


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """A folder with one package, "parcel", as wheel and as source; pip looks only there."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with zipfile.ZipFile(folder / "parcel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("parcel/content.bin", CONTENT)
        wheel.writestr(
            "parcel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n"
        )
        wheel.writestr(
            "parcel-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("parcel-1.0.dist-info/RECORD", "")
    project = {
        "PKG-INFO": b"Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
        "data/content.bin": CONTENT,
        "back.py": BACKEND.encode(),
        "pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "back"\n'
        b'backend-path = ["."]\n',
    }
    with tarfile.open(folder / "parcel-1.0.tar.gz", "w:gz") as source:
        for name, text in project.items():
            entry = tarfile.TarInfo(f"parcel-1.0/{name}")
            entry.size = len(text)
            source.addfile(entry, io.BytesIO(text))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Replace pip, in the processes that are started, by the given lines of Python."""

    def replace(code: str) -> None:
        package = tmp_path / "stand_in" / "pip"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(package.parent))

    return replace


def pin(shelf: Path, ending: str = "whl") -> str:
    return hashlib.sha256(next(shelf.glob(f"*.{ending}")).read_bytes()).hexdigest()


def left_behind(to: Path) -> list[str]:
    return [file.name for file in to.parent.iterdir() if not file.name.endswith(".lock")]


def wheel(shelf: Path, to: Path, **more) -> Path:
    more = {"sha256": pin(shelf), "progress": False} | more
    return fetch.package_file("parcel==1.0", member="parcel/content.bin", to=to, **more)


def test_a_file_comes_out_of_a_wheel_and_stays(shelf, tmp_path, stand_in):
    to = tmp_path / "cache" / "content.bin"
    assert wheel(shelf, to).read_bytes() == CONTENT
    assert left_behind(to) == ["content.bin"]
    stand_in("raise SystemExit('pip must not be asked again')")
    assert wheel(shelf, to) == to


def test_a_damaged_file_is_fetched_again(shelf, tmp_path):
    to = tmp_path / "content.bin"
    to.write_bytes(CONTENT[:-1])
    wheel(shelf, to, member_sha256=hashlib.sha256(CONTENT).hexdigest())
    assert to.read_bytes() == CONTENT


def test_a_file_comes_out_of_a_source_archive(shelf, tmp_path):
    to = tmp_path / "cache" / "content.bin"
    fetch.package_file("parcel==1.0", pin(shelf, "gz"), "data/content.bin", to, False, source=True)
    assert to.read_bytes() == CONTENT


def test_the_bar_shows_what_arrives(shelf, tmp_path, capfd):
    size = next(shelf.glob("*.whl")).stat().st_size
    wheel(shelf, tmp_path / "cache" / "content.bin", progress=True, size=size)
    written = capfd.readouterr()
    assert "Fetching parcel" in written.err and "100%" in written.err
    assert written.out == ""


def test_pip_may_tidy_up_while_the_bar_looks(tmp_path):
    with tqdm(disable=True) as bar:
        for _ in tidying.meanwhile(tmp_path, "pip-unpack"):
            fetch._advance(bar, tmp_path)


def test_another_hash_is_refused(shelf, tmp_path):
    to = tmp_path / "cache" / "content.bin"
    with pytest.raises(fetch.WrongHashError, match="run this again"):
        wheel(shelf, to, sha256="0" * 64)
    assert left_behind(to) == []


def test_pip_alone_is_not_trusted_with_the_hash(shelf, tmp_path, stand_in):
    stand_in(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1])\n"
        "folder.mkdir()\n(folder / 'parcel-1.0-py3-none-any.whl').write_bytes(b'other')\n"
    )
    with pytest.raises(fetch.WrongHashError):
        wheel(shelf, tmp_path / "cache" / "content.bin")


def test_a_file_that_is_not_in_the_package(shelf, tmp_path):
    to = tmp_path / "cache" / "content.bin"
    with pytest.raises(fetch.FetchError, match=r"has no file parcel/other\.bin"):
        fetch.package_file("parcel==1.0", pin(shelf), "parcel/other.bin", to, False)
    assert left_behind(to) == []


@pytest.mark.parametrize(
    "index",
    [
        {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},  # an index that lacks it
        {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"},
    ],
)
def test_no_network(shelf, tmp_path, monkeypatch, index):
    for name, value in index.items():
        monkeypatch.setenv(name, value)
    to = tmp_path / "cache" / "content.bin"
    with pytest.raises(fetch.NetworkError, match="Check the network") as error:
        wheel(shelf, to)
    assert "\n" not in str(error.value)
    assert left_behind(to) == []


def test_a_full_disk_is_seen_before_the_download(shelf, tmp_path, monkeypatch, stand_in):
    stand_in("raise SystemExit('pip must not be asked')")
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: type("", (), {"free": 150})())
    with pytest.raises(fetch.DiskFullError, match="Free some space"):
        wheel(shelf, tmp_path / "cache" / "content.bin", size=100)


def test_a_disk_that_fills_up_meanwhile(shelf, tmp_path, stand_in):
    stand_in(
        "raise SystemExit('ERROR: Could not install packages due to an OSError: "
        "[Errno 28] No space left on device')"
    )
    to = tmp_path / "cache" / "content.bin"
    with pytest.raises(fetch.DiskFullError, match="WORKBOOK_HOME"):
        wheel(shelf, to)
    assert left_behind(to) == []


def test_a_disk_that_fills_up_while_unpacking(shelf, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "_unpack", full)
    to = tmp_path / "cache" / "content.bin"
    with pytest.raises(fetch.DiskFullError):
        wheel(shelf, to)
    assert left_behind(to) == []


def test_a_python_without_pip(shelf, tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    bare = next(path for path in (tmp_path / "bare").glob("*/python*") if path.is_file())
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(fetch.NoPipError, match="ensurepip"):
        wheel(shelf, tmp_path / "cache" / "content.bin")


def test_anything_else_is_told_in_pip_s_words(shelf, tmp_path, stand_in):
    stand_in("raise SystemExit('ERROR: the moon is in the wrong phase')")
    with pytest.raises(fetch.FetchError, match="the moon is in the wrong phase"):
        wheel(shelf, tmp_path / "cache" / "content.bin")


def test_a_folder_that_cannot_be_written(shelf, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(fetch.FetchError, match="could not be written"):
        wheel(shelf, tmp_path / "cache" / "content.bin")


PROCESS = """
import sys
from pathlib import Path
from workbook import fetch
fetch.package_file("parcel==1.0", sys.argv[1], "parcel/content.bin", Path(sys.argv[2]), False)
"""


def start(shelf: Path, to: Path) -> subprocess.Popen:
    root = Path(fetch.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, pin(shelf), str(to)],
        cwd=root,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(shelf, tmp_path):
    to = tmp_path / "cache" / "content.bin"
    both = [start(shelf, to), start(shelf, to)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert to.read_bytes() == CONTENT
    assert left_behind(to) == ["content.bin"]


def test_two_threads_at_once(shelf, tmp_path):
    to = tmp_path / "cache" / "content.bin"
    with ThreadPoolExecutor(2) as both:
        assert set(both.map(lambda _: wheel(shelf, to), range(2))) == {to}
    assert to.read_bytes() == CONTENT
    assert left_behind(to) == ["content.bin"]


@pytest.fixture
def index(shelf, monkeypatch) -> Iterator[list[float]]:
    """A package index over HTTP; of each answer with the wheel only such a share arrives."""
    parcel = next(shelf.glob("*.whl"))
    shares: list[float] = []

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            whole = f'<a href="/{parcel.name}">{parcel.name}</a>'.encode()
            share, kind = 1.0, "text/html"
            if self.path.endswith(".whl"):
                share = shares.pop(0) if shares else 1.0
                whole, kind = parcel.read_bytes(), "application/octet-stream"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: int(share * len(whole))])

        def log_message(self, *_) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield shares
    server.shutdown()
    server.server_close()


def test_a_download_that_is_cut_off_leaves_nothing_and_works_the_next_time(shelf, tmp_path, index):
    to = tmp_path / "cache" / "content.bin"
    index += [0.5] * 20
    with pytest.raises((fetch.NetworkError, fetch.WrongHashError), match="run this again") as error:
        wheel(shelf, to)
    assert "\n" not in str(error.value)
    assert left_behind(to) == []
    index.clear()
    assert wheel(shelf, to).read_bytes() == CONTENT
    assert left_behind(to) == ["content.bin"]


def wait_for(condition) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it took more than a minute")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle(shelf, tmp_path, stand_in, monkeypatch, how):
    pid_file = tmp_path / "pid"
    stand_in(
        f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    to = tmp_path / "cache" / "content.bin"
    process = start(shelf, to)
    wait_for(lambda: pid_file.exists() and pid_file.read_text())
    process.send_signal(how)
    process.communicate(timeout=20)
    assert not to.exists()
    pip = int(pid_file.read_text())
    if how == signal.SIGINT:  # it could tidy up: no pip goes on, and nothing is left
        assert not is_running(pip)
        assert left_behind(to) == []
    else:
        os.kill(pip, signal.SIGKILL)
    monkeypatch.delenv("PYTHONPATH")
    assert wheel(shelf, to).read_bytes() == CONTENT
    assert left_behind(to) == ["content.bin"]
