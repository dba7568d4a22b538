"""The HTTP requests that a host's own client would send, made visible without sending them.

The real client talks to a listener on this machine, which answers what the client waits for; what
arrived is written down with the host's own address. Knows clients and requests; checks nothing.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbook.errors import WorkbookError
from workbook.hosts.contracts import Contract, contract
from workbook.hosts.preflight import Settings

_FILE = "file-from-the-upload"
_SHOWN = ("content-type", "authorization", "api-key", "x-goog-user-project")


def dry_run(file: Path, host: str, model: str, settings: Settings, method: str) -> list[str]:
    """Each request of upload and job, as text: method, address, headers, body.

    method: "supervised", "dpo" or "reinforcement"
    Raises WorkbookError for a host whose client is not the openai package or google-genai, and
    where google-genai is wanted and not installed.
    """
    called = contract(host)
    if called.client == "own":
        raise WorkbookError(
            f"{called.label} has a client of its own, which is not called here. " + called.notes[0]
        )
    with _listener() as (address, requests):
        if called.client == "google-genai":
            _google(called, address, file, model, settings)
        else:
            _openai(called, address, file, model, settings, method)
    return [_as_text(called, *request) for request in requests]


def _openai(
    called: Contract, address: str, file: Path, model: str, settings: Settings, method: str
) -> None:
    import openai

    client = openai.OpenAI(base_url=address, api_key="KEY", max_retries=0)
    content = file.read_bytes()
    mark = b"\xef\xbb\xbf"
    if called.id == "azure" and not content.startswith(mark):
        content = mark + content
    client.files.create(file=(file.name, content), purpose="fine-tune")
    client.fine_tuning.jobs.create(**arguments(called, model, settings, method))


def arguments(called: Contract, model: str, settings: Settings, method: str) -> dict[str, Any]:
    """What `client.fine_tuning.jobs.create` is given at this host."""
    hyperparameters = dict(settings.hyperparameters)
    multiplier = hyperparameters.get("learning_rate_multiplier")
    if multiplier is not None and (rate := called.rate(multiplier)) is not None:
        hyperparameters["learning_rate_multiplier"] = rate
    inner: dict[str, Any] = {"hyperparameters": hyperparameters} if hyperparameters else {}
    if called.grader == "lambda":
        inner["grader"] = {"type": "lambda", "lambda": {"function": "ARN-OF-YOUR-FUNCTION"}}
    body: dict[str, Any] = {"model": called.model_name(model), "training_file": _FILE}
    if settings.suffix and called.suffix is not None:
        body["suffix"] = settings.suffix
    how = {"type": method, method: inner} if inner else {"type": method}
    extra: dict[str, Any] = {}
    if called.grader:
        extra["method"] = how
    elif inner or method != "supervised":
        body["method"] = how
    if "trainingType" in called.extra:
        extra["trainingType"] = called.extra["trainingType"][0]
    return body | ({"extra_body": extra} if extra else {})


def _google(called: Contract, address: str, file: Path, model: str, settings: Settings) -> None:
    try:
        from google import genai
        from google.genai import types
        from google.oauth2.credentials import Credentials
    except ModuleNotFoundError:
        raise WorkbookError(
            "The request is made with Google's own client: pip install google-genai"
        ) from None
    client = genai.Client(
        enterprise=True,
        project="PROJECT",
        location=called.regions[0],
        credentials=Credentials(token="TOKEN"),
        http_options=types.HttpOptions(base_url=address.removesuffix("/")),
    )
    config = types.CreateTuningJobConfig(
        epoch_count=settings.n_epochs,
        learning_rate_multiplier=settings.learning_rate_multiplier,
        tuned_model_display_name=settings.suffix,
    )
    client.tunings.tune(
        base_model=model,
        training_dataset=types.TuningDataset(gcs_uri=f"gs://BUCKET/{file.name}"),
        config=config,
    )


Request = tuple[str, str, dict[str, str], bytes]


@contextmanager
def _listener() -> Iterator[tuple[str, list[Request]]]:
    """An address on this machine, and what is sent to it."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            requests.append((self.command, self.path, headers, body))
            answer = json.dumps(_answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(path: str) -> dict[str, Any]:
    """The least that a client reads of an answer."""
    if "tuningJobs" in path:
        return {
            "name": "projects/1/locations/us-central1/tuningJobs/1",
            "state": "JOB_STATE_PENDING",
        }
    if path.endswith("/files"):
        return {"id": _FILE, "object": "file"}
    return {"id": "ftjob-1", "object": "fine_tuning.job", "status": "validating_files"}


def _as_text(called: Contract, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    base = urlsplit(called.base_url)
    prefix = base.path.rstrip("/") if called.client == "openai" else ""
    lines = [f"{method} {base.scheme}://{base.netloc}{prefix}{path}"]
    for name in _SHOWN:
        if name in headers:
            value = headers[name]
            if name in ("authorization", "api-key"):
                value = f"Bearer ${called.key}" if called.client == "openai" else "Bearer TOKEN"
            if name == "content-type":
                value = value.partition("; boundary")[0]
            lines.append(f"{name}: {value}")
    kind = headers.get("content-type", "")
    if kind.startswith("application/json"):
        lines += ["", json.dumps(json.loads(body), indent=2, ensure_ascii=False)]
    else:
        mark = " (opens with a byte order mark)" if b"\xef\xbb\xbf" in body else ""
        lines += ["", f"purpose=fine-tune, and the file{mark}: {len(body):,} bytes in all"]
    return "\n".join(lines)
