"""The back-end switch: finding the lab, keys, money, and errors as sentences."""

import io
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbclient
import nbformat
import pytest

from workbook import backends, error_sentences, paths
from workbook.errors import WorkbookError
from workbook.lab import client as lab_client
from workbook.prices import registry

SECRET = "sk-secretsecretsecretsecret"
ERRORS = {
    "wrong key": (401, {"message": f"Incorrect API key: {SECRET}", "code": "invalid_api_key"}),
    "closed": (403, {"message": "winding down", "code": "training_not_available"}),
    "bad": (400, {"message": "Not enough examples.", "code": None, "param": "training_file"}),
    "slow": (429, {"message": "Too many requests", "code": "rate_limit_exceeded"}),
}


class Answers(BaseHTTPRequestHandler):
    """Answers like the lab: /health, a chat completion, errors named by the model asked for."""

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"status": "ready", "pid": os.getpid(), "version": "0"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self.server.seen.append((self.path, self.headers["Authorization"]))
        if body.get("model") in ERRORS:
            status, error = ERRORS[body["model"]]
            self._send(status, {"error": {"type": "x", "param": None} | error})
        else:
            message = {"role": "assistant", "content": "Hello."}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            self._send(200, {"id": "c", "object": "chat.completion", "choices": [choice]})

    def _send(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-should-retry", "false")
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def lab(home: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose lab is running (the stand-in above)."""
    monkeypatch.setenv("WORKBOOK_BACKEND", "lab")
    (home / "lab").mkdir()
    (home / "lab" / "key").write_text("sk-lab-key\n")
    state = {"port": server.server_port, "pid": os.getpid(), "version": "0"}
    (home / "lab" / "server.json").write_text(json.dumps(state))
    return home


@pytest.fixture
def hosted(
    home: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> ThreadingHTTPServer:
    """A compatible host, set by the environment."""
    monkeypatch.setenv("WORKBOOK_BACKEND", "compatible")
    monkeypatch.setenv("WORKBOOK_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("WORKBOOK_API_KEY", SECRET)
    monkeypatch.setenv("WORKBOOK_MODEL", "some-model")
    return server


def ask(client, model: str = "m") -> str:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}]
    )
    return answer.choices[0].message.content


# The lab


def test_a_running_lab_is_found_with_its_key(lab, server, capsys) -> None:
    client, backend = backends.connect()
    assert ask(client) == "Hello."
    assert server.seen == [("/v1/chat/completions", "Bearer sk-lab-key")]
    assert backend.is_lab and backend.model == registry.lab().id
    printed = capsys.readouterr().out
    assert printed == f"Backend: lab · model {registry.lab().id} · cost: nothing\n"
    assert "sk-" not in repr(backend)


def test_the_lab_gets_the_plain_client_and_asks_for_no_money(lab, capsys) -> None:
    import openai

    client, backend = backends.connect()
    capsys.readouterr()
    backend.confirm("Training", 1000.0)
    assert type(client) is openai.OpenAI
    assert capsys.readouterr().out == ""


def test_a_proxy_does_not_stand_between_the_machine_and_itself(lab, monkeypatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client, _ = backends.connect()
    assert ask(client) == "Hello."
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1"


@pytest.mark.parametrize(
    "state",
    [
        None,
        "{",
        "{}",
        '{"port": 9, "pid": 1, "version": "0"}',
        '{"port": PORT, "pid": 1, "version": "0"}',  # another program has this port now
    ],
)
def test_a_stale_state_starts_a_new_lab(lab, server, monkeypatch, state) -> None:
    file = lab / "lab" / "server.json"
    file.unlink() if state is None else file.write_text(
        state.replace("PORT", str(server.server_port))
    )

    def start(folder: Path) -> dict:
        return {"host": "127.0.0.1", "port": server.server_port, "status": "ready"}

    monkeypatch.setattr(lab_client, "_start", start)
    client, _ = backends.connect()
    assert ask(client) == "Hello."


def test_a_lab_that_cannot_start_says_why(home, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", _script(home, "echo Port 8000 is in use. >&2; exit 3"))
    with pytest.raises(WorkbookError, match=r"did not start.*Port 8000 is in use"):
        backends.connect("lab")


def test_only_what_this_start_wrote_is_quoted(home, monkeypatch) -> None:
    (home / "lab").mkdir()
    (home / "lab" / "lab.log").write_text("an old complaint\n")
    monkeypatch.setattr(sys, "executable", _script(home, "exit 1"))
    with pytest.raises(WorkbookError, match="It said: nothing"):
        backends.connect("lab")


def test_a_lab_without_its_model_says_why(lab, monkeypatch) -> None:
    state = {"port": 1, "status": "failed", "message": "no memory"}
    monkeypatch.setattr(lab_client, "running", lambda: state)
    with pytest.raises(WorkbookError, match=r"no memory.*`workbook lab stop`"):
        backends.connect()


def _script(folder: Path, body: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return str(path)


# Choosing


def test_an_unknown_backend_is_answered_with_the_known(home) -> None:
    with pytest.raises(WorkbookError, match="lab, openai, azure, compatible"):
        backends.connect("gpt")
    with pytest.raises(WorkbookError, match="lab, openai, azure, compatible"):
        backends.choose("gpt")


def test_a_choice_is_kept_without_a_key_and_the_environment_goes_first(
    hosted, lab, monkeypatch
) -> None:
    base_url = os.environ["WORKBOOK_BASE_URL"]
    for name in ("WORKBOOK_BACKEND", "WORKBOOK_BASE_URL", "WORKBOOK_MODEL"):
        monkeypatch.delenv(name)
    backends.choose("compatible", base_url=base_url, model="kept-model")
    assert backends.connect()[1].model == "kept-model"
    assert SECRET not in (lab / "backend.json").read_text()
    monkeypatch.setenv("WORKBOOK_BACKEND", "lab")
    assert backends.connect()[1].is_lab


# Keys


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("azure", "AZURE_OPENAI_ENDPOINT"),
        ("compatible", "WORKBOOK_BASE_URL"),
    ],
)
def test_what_is_missing_is_named_where_nobody_can_type(name, variable, home, monkeypatch) -> None:
    monkeypatch.setattr("getpass.getpass", _nobody)
    with pytest.raises(WorkbookError, match=variable):
        backends.connect(name)


def test_a_typed_key_is_asked_for_once_and_unseen(hosted, monkeypatch, capsys) -> None:
    asked = []
    monkeypatch.delenv("WORKBOOK_API_KEY")
    monkeypatch.setattr(backends, "_keys", {})
    monkeypatch.setattr("getpass.getpass", lambda question: asked.append(question) or SECRET)
    backends.connect()
    client, backend = backends.connect()
    assert len(asked) == 1
    assert client.api_key == SECRET
    assert SECRET not in capsys.readouterr().out + repr(backend) + str(vars(backend))
    assert "WORKBOOK_API_KEY" not in os.environ


def test_azure_gets_the_v1_address(home, monkeypatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    for endpoint in ("https://me.openai.azure.com", "https://me.openai.azure.com/openai/v1/"):
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
        client, backend = backends.connect("azure")
        assert str(client.base_url) == "https://me.openai.azure.com/openai/v1/"
        assert not backend.model.startswith("azure/")


def test_openai_comes_with_a_warning_and_a_model_that_still_trains(
    home, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    _, backend = backends.connect("openai")
    printed = capsys.readouterr().out
    assert "2027-01-06" in printed and "lab" in printed and SECRET not in printed
    assert registry.get(backend.model).vendor == "OpenAI"


def test_the_warning_knows_the_day() -> None:
    assert "training_not_available" in backends._openai_notice(date(2026, 11, 21))
    assert backends._openai_notice(date(2027, 1, 6)).startswith("Since 2027-01-06")
    still = backends._suggested_model("openai", date(2026, 11, 21))
    assert registry.get(still).is_tunable(date(2026, 11, 21), existing_customer=True)
    assert backends._suggested_model("openai", date(2030, 1, 1))


# Money


def _nobody(_question: str) -> str:
    raise EOFError


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`types("yes")`: that is what a person at the terminal will type next."""

    def answer(text: str) -> None:
        terminal = io.StringIO(f"{text}\n")
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", terminal)

    return answer


def test_nothing_is_sent_before_a_yes(hosted, types, capsys) -> None:
    client, backend = backends.connect()
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(client)
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        client.fine_tuning.jobs.create(model="m", training_file="f")
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(client.with_options(timeout=5))
    assert hosted.seen == []

    types(" Yes ")
    backend.confirm("Training the review model", 0.4321)
    assert capsys.readouterr().err == (
        "Training the review model: about $0.43 on the compatible host. Type yes to go on: "
    )
    assert ask(client) == ask(client.with_options(timeout=5)) == "Hello."


def test_prices_come_from_the_registry_and_are_not_invented(
    lab, hosted, types, monkeypatch, capsys
) -> None:
    _, unknown = backends.connect()
    assert unknown.training_usd(1000, 3) is unknown.requests_usd(10, 50, 5) is None
    types("sí")
    unknown.confirm("Training", unknown.training_usd(1000, 3))
    assert "at a price this course does not know" in capsys.readouterr().err

    monkeypatch.setenv("WORKBOOK_MODEL", "gpt-4o-mini-2024-07-18")
    _, known = backends.connect()
    assert known.training_usd(100_000, 3) == pytest.approx(0.90)
    assert known.requests_usd(1000, 1000, 100) == pytest.approx(0.15 + 0.06)
    tuned = f"ft:{known.model}:me::1"
    assert known.requests_usd(1000, 1000, 100, model=tuned) == pytest.approx(0.30 + 0.12)
    monkeypatch.setenv("WORKBOOK_BACKEND", "lab")
    assert backends.connect()[1].training_usd(100_000, 3) == 0


def test_azures_prices_are_azures_or_not_known(home, monkeypatch) -> None:
    """The model that it suggests is the cheapest there, not the first of those without a price."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com")
    _, backend = backends.connect("azure")
    ours = [m for m in registry.usable(registry.today(), "Azure") if "supervised" in m.methods]
    cheapest = min(ours, key=lambda model: model.price("input"))
    assert backend.registered() == registry.suggested("Azure", registry.today())
    assert backend.registered().price("input") == cheapest.price("input")
    monkeypatch.setenv("WORKBOOK_MODEL", "gpt-4o-mini-2024-07-18")
    _, backend = backends.connect("azure")
    assert backend.training_usd(100_000, 3) is None  # OpenAI's would be 0.90
    tuned = "gpt-4o-mini-2024-07-18.ft-0123abcd"
    base = backend.requests_usd(1000, 1000, 100)
    assert base == backend.requests_usd(1000, 1000, 100, model=tuned)  # at Azure; twice at OpenAI


def test_a_client_says_which_backend_it_calls(lab, monkeypatch) -> None:
    import openai

    client, _ = backends.connect()
    assert backends.called_by(client) == "lab"
    for address, name in (
        ("https://api.openai.com/v1", "openai"),
        ("https://me.openai.azure.com/openai/v1/", "azure"),
        ("https://llm.example.org/v1", "compatible"),
    ):
        assert backends.called_by(openai.OpenAI(api_key="x", base_url=address)) == name


@pytest.mark.parametrize("answer", ["", "no", "yes please don't"])
def test_a_no_closes_the_door_again(hosted, types, answer) -> None:
    client, backend = backends.connect()
    types("y")
    backend.confirm("One", 1)
    types(answer)
    with pytest.raises(WorkbookError, match="nothing was spent"):
        backend.confirm("Two", 2)
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(client)


def test_where_nobody_can_answer_nothing_is_confirmed(hosted) -> None:
    _, backend = backends.connect()
    with pytest.raises(WorkbookError, match="Nobody can be asked"):
        backend.confirm("One", 1)


def test_free_calls_are_not_held_back(hosted) -> None:
    client, _ = backends.connect()
    client.fine_tuning.jobs.cancel("job")
    assert [path for path, _ in hosted.seen] == ["/v1/fine_tuning/jobs/job/cancel"]


# Errors as sentences


def error_of(client, model: str) -> Exception:
    import openai

    with pytest.raises(openai.OpenAIError) as raised:
        ask(client, model)
    return raised.value


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("bad", r"The lab refused this \(400\): Not enough examples\..*`training_file`"),
        ("slow", r"\(429, rate_limit_exceeded\): Too many requests\.$"),
        ("wrong key", r"does not accept the key \(401\)\. Run the set-up cell again"),
        ("closed", r"training_not_available.*backends\.choose\(\"lab\"\)"),
    ],
)
def test_an_error_says_what_and_what_to_do(lab, model, expected) -> None:
    client, _ = backends.connect()
    sentence = error_sentences.sentence(error_of(client, model))
    assert re.search(expected, sentence), sentence
    assert SECRET not in sentence


def test_a_key_is_never_in_an_error_of_a_hosted_backend(hosted, types) -> None:
    client, backend = backends.connect()
    types("yes")
    backend.confirm("x", 0)
    sentence = error_sentences.sentence(error_of(client, "wrong key"))
    assert "WORKBOOK_API_KEY" in sentence and SECRET not in sentence


def test_a_lab_that_stopped_is_said_to_have_stopped(lab, server) -> None:
    client, _ = backends.connect()
    server.shutdown()
    server.server_close()
    client = client.with_options(max_retries=0)
    assert "not running: run the set-up cell again" in error_sentences.sentence(
        error_of(client, "m")
    )


def test_a_notebook_shows_the_sentence_and_the_cell_still_fails(lab) -> None:
    source = textwrap.dedent(
        """
        from workbook import backends
        client, backend = backends.connect()
        """
    )
    call = 'client.chat.completions.create(model="bad", messages=[])'
    other, early = "1 / 0", "print(1)\nsplits['train']"
    cells = [nbformat.v4.new_code_cell(text) for text in (source, call, other, early)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    [shown] = notebook.cells[1].outputs
    assert shown.output_type == "error" and shown.ename == "BadRequestError"
    plain = re.sub(r"\x1b\[\d+m", "", "\n".join(shown.traceback))
    assert plain.startswith("✘ The lab refused this (400)") and "Traceback" not in plain
    assert "Traceback" in "\n".join(notebook.cells[2].outputs[0].traceback)
    plain = re.sub(r"\x1b\[\d+m|\n", " ", "".join(notebook.cells[3].outputs[-1].traceback))
    assert "'splits' is not defined, in the line `splits['train']`. If a cell above" in plain

    failing = nbformat.v4.new_notebook(cells=cells[:2])
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        nbclient.NotebookClient(failing, kernel_name="python3").execute()


def test_a_kernel_that_cannot_ask_gets_a_sentence_instead_of_hanging(home, monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_BACKEND", "openai")
    cell = nbformat.v4.new_code_cell("from workbook import backends\nbackends.connect()")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(
        notebook, kernel_name="python3", allow_errors=True, timeout=60
    ).execute()
    assert "OPENAI_API_KEY" in notebook.cells[0].outputs[-1].evalue


def test_connecting_imports_nothing_slow(lab) -> None:
    code = (
        "import sys; from workbook import backends; backends.connect();"
        "print({'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("set()\n")


@pytest.mark.full
def test_the_real_lab_outlives_its_kernel_and_is_started_again(tmp_path, monkeypatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shared = paths.cache()
    monkeypatch.setenv("WORKBOOK_HOME", str(home))
    (home / "cache").symlink_to(shared, target_is_directory=True)
    code = "from workbook import backends; print(backends.connect()[0].base_url.port)"

    def port_in_a_new_process() -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    try:
        first = port_in_a_new_process()
        assert port_in_a_new_process() == first
        client, backend = backends.connect()
        assert str(client.base_url.port) == first and lab_client.running()["status"] == "ready"
        stop = [sys.executable, "-m", "workbook", "lab", "stop"]
        subprocess.run(stop, cwd=paths.ROOT, check=True)
        gone = error_of(client.with_options(max_retries=0), backend.model)
        assert "not running" in error_sentences.sentence(gone)
        client, backend = backends.connect()
        assert ask(client, backend.model)
        wrong = client.with_options(api_key="sk-wrong")
        assert "set-up cell" in error_sentences.sentence(error_of(wrong, backend.model))
    finally:
        subprocess.run([sys.executable, "-m", "workbook", "lab", "stop"], cwd=paths.ROOT)


def test_tokens_are_counted_also_for_a_host_whose_vocabulary_is_not_known():
    row = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
    own = backends.Backend("compatible", "someone/else-8b", client=None)
    known = backends.Backend("openai", registry.hosted()[-1].id, client=None)
    assert own.count([row, row]) == known.count([row, row]) == 2 * known.count([row]) > 0
