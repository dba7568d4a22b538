"""Reward functions of Bedrock's kind: what they are asked, what comes back, what holds them.

That a file's code is shut in is tested with python graders (`test_graders.py`), and here once.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbook.grading import graders, python_grader, reward_function
from workbook.grading.errors import GraderError

ITEM = {"messages": [{"role": "user", "content": "Q"}], "reference_answer": {"x": 1}}


def grade(function: str, samples: list[str]) -> list[graders.Grade]:
    grader = {"type": "lambda", "lambda": {"function": function}}
    graders.check(grader)
    return graders.run_all(grader, [(ITEM, sample) for sample in samples])


def errors(grade: graders.Grade) -> str:
    return " ".join([*grade.errors, *grade.details.values()])


class Program(ThreadingHTTPServer):
    """Answers with whatever the test says, and keeps what it was sent."""

    daemon_threads = True
    status, text, location = 200, b"", ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Any] = []

    @property
    def address(self) -> str:
        return f"http://localhost:{self.server_port}/score?x=1"


class Handler(BaseHTTPRequestHandler):
    server: Program

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.seen.append((self.path, json.loads(self.rfile.read(length))))
        rows = self.server.seen[-1][1]
        text = (
            self.server.text
            or json.dumps(
                [
                    {"id": row["id"], "aggregate_reward_score": len(row["messages"][-1]["content"])}
                    for row in rows
                ]
            ).encode()
        )
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def program() -> Iterator[Program]:
    with Program() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_program_gets_rows_with_their_answers_a_few_at_a_time(program: Program) -> None:
    samples = ["a" * n for n in range(20)]
    assert [each.reward for each in grade(program.address, samples)] == list(range(20))
    assert [len(rows) for _, rows in program.seen] == [16, 4]
    path, rows = program.seen[0]
    assert path == "/score?x=1"
    assert rows[1] == ITEM | {
        "id": "1",
        "messages": [*ITEM["messages"], {"role": "assistant", "content": "a"}],
    }


SCORE = "aggregate_reward_score"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"hello", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a": 1}', "must return a list"),
        (b'[{"id": "9", "aggregate_reward_score": 1}]', "no entry with this answer's id"),
        (b'["0", null, 3]', "no entry with this answer's id"),
        (b'[{"id": "0", "aggregate_reward_score": NaN}]', "no finite number"),
        (b'[{"id": "0", "aggregate_reward_score": true}]', "no finite number"),
        (b'[{"id": "0", "aggregate_reward_score": 1' + b"0" * 400 + b"}]", "no finite number"),
        (b'"' + b"x" * 2**21 + b'"', "more than 1 MB"),
    ],
)
def test_what_is_no_reward_is_an_error_and_never_a_crash(program, text, reason) -> None:
    program.text = text
    [answer] = grade(program.address, ["x"])
    assert answer.reward == 0 and reason in errors(answer)


def test_metrics_that_are_none_are_left_out(program: Program) -> None:
    metrics = [{"name": "a", "value": 2}, {"name": "b", "value": "much"}, 7, {"value": 1}]
    program.text = json.dumps([{"id": "0", SCORE: 1, "metrics_list": metrics}]).encode()
    assert grade(program.address, ["x"])[0].parts == {"a": 2.0}


def test_a_redirection_is_not_followed(program: Program) -> None:
    program.status, program.location = 302, "http://example.com/"
    [answer] = grade(program.address, ["x"])
    assert "status 302" in errors(answer) and len(program.seen) == 1


def test_nobody_there_ends_the_run_instead_of_rewarding_with_nothing(program, tmp_path) -> None:
    program.shutdown()  # first: who still waits for a visitor keeps the port open
    program.server_close()
    with pytest.raises(GraderError, match="nobody listens"):
        grade(f"http://127.0.0.1:{program.server_port}", ["x"])
    path = tmp_path / "reward.py"
    path.write_text("def lambda_handler(event, context): return []")
    reward_function.check(str(path))
    path.unlink()
    with pytest.raises(reward_function.FunctionError, match="no file"):
        reward_function.run_all(str(path), [ITEM])


HOSTILE = {
    "import socket; socket.create_connection(('127.0.0.1', 9))": "Error",
    "open('/etc/hostname').read()": "Error",
    "open('/tmp/x-reward', 'w')": "Error",
    "import os; os.fork()": "Error",
    "import os; os._exit(3)": "exited",
    "while True: pass": "timeout",
    "return {1: {2, 3}}": "TypeError",
    "return [{'id': '0', 'aggregate_reward_score': 'x' * 2**21}]": "exited",
}


@pytest.mark.parametrize("line", HOSTILE)
def test_a_file_is_shut_in_as_a_python_grader_is(line: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(python_grader.run_all, "__defaults__", (2.0, lambda: False, "grade"))
    path = tmp_path / "reward.py"
    path.write_text(f"def lambda_handler(event, context):\n    {line}\n")
    answers = grade(str(path), ["x", "y"])
    assert all(answer.reward == 0 and HOSTILE[line] in errors(answer) for answer in answers)
    assert not Path("/tmp/x-reward").exists()


def test_a_file_without_the_function_is_refused_with_its_line(tmp_path: Path) -> None:
    for source, reason in (
        ("def grade(sample, item): pass", "no function lambda_handler"),
        ("\ndef lambda_handler(event): pass", "line 2"),
        ("def (", "line 1"),
    ):
        path = tmp_path / "reward.py"
        path.write_text(source)
        with pytest.raises(GraderError, match=reason):
            grade(str(path), ["x"])
