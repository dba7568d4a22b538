"""The lab as its clients see it: a real server, the real SDK, answers checked against the spec."""

import base64
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import jsonschema
import openai
import pytest
from labserver import KEY, MODEL, Server, conform, rows, start
from openai.types.fine_tuning import FineTuningJob

from workbook import paths
from workbook.lab.model import weights
from workbook.lab.model.tokenizer import Tokenizer

ASK = [{"role": "user", "content": "Name a colour."}]
STARS = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["stars"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "rate", "parameters": STARS, "strict": True}},
    {
        "type": "function",
        "function": {
            "name": "skip",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    },
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("lab") / "state")
    chat(server)  # from now on every answer to ASK reads the prompt from the cache: same rounding
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tuned(lab: Server) -> FineTuningJob:
    """A job that has really trained: 12 short examples, 4 epochs, 12 steps."""
    file = lab.upload(rows(12))
    job = lab.client().fine_tuning.jobs.create(
        model=MODEL,
        training_file=file,
        validation_file=file,
        suffix="My Marv!",
        seed=7,
        metadata={"course": "test"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}},
    )
    assert job.status == "validating_files"
    assert job.hyperparameters.n_epochs == 4 and job.hyperparameters.batch_size == "auto"
    job = lab.finished(job.id)
    assert job.status == "succeeded", job.error
    return job


def chat(lab: Server, **more):
    return lab.client().chat.completions.create(
        **{"model": MODEL, "messages": ASK, "max_tokens": 8, "temperature": 0} | more
    )


def refused(lab: Server, method: str, path: str, body=None, headers=None) -> tuple:
    """(status, code, param) of an answer that must be an error."""
    status, answer = lab.call(method, path, body, headers)
    assert status >= 400, answer
    return status, answer["error"]["code"], answer["error"]["param"]


def failed_job(lab: Server, data: str | bytes, **more):
    job = lab.client().fine_tuning.jobs.create(
        model=MODEL, training_file=lab.upload(data, "mine.jsonl"), **more
    )
    job = lab.finished(job.id)
    assert job.status == "failed" and job.fine_tuned_model is None
    return job.error


# Who may come in


def test_health_needs_no_key_and_tells_no_secret(lab: Server) -> None:
    health = json.load(urllib.request.urlopen(f"{lab.url}/health"))
    assert health["status"] in ("starting", "ready") and health["model"] == MODEL
    assert health["pid"] == lab.process.pid and KEY not in json.dumps(health)


def test_a_missing_or_wrong_key(lab: Server) -> None:
    assert refused(lab, "GET", "/models", headers={"Authorization": ""}) == (401, None, None)
    wrong = {"Authorization": "Bearer lab-wrong-key-of-mine"}
    assert refused(lab, "GET", "/models", headers=wrong) == (401, "invalid_api_key", None)
    with pytest.raises(openai.AuthenticationError) as caught:
        lab.client(api_key="lab-wrong-key-of-mine").models.list()
    assert "lab-wrong-key-of-mine" not in caught.value.message


def test_a_foreign_host_name_is_refused(lab: Server) -> None:
    status, code, _ = refused(lab, "GET", "/models", headers={"Host": "evil.example:80"})
    assert (status, code) == (403, "host_not_allowed")


def test_azures_paths_and_key_header(lab: Server) -> None:
    client = openai.OpenAI(
        base_url=f"{lab.url}/openai/v1/",
        api_key="x",
        max_retries=0,
        default_headers={"Authorization": "", "api-key": KEY},
    )
    assert [m.id for m in client.models.list()][0] == MODEL


def test_unknown_paths_and_methods(lab: Server) -> None:
    request = urllib.request.Request(
        f"{lab.url}/v1/nothing", headers={"Authorization": f"Bearer {KEY}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    answer = json.load(caught.value)
    conform(answer, "ErrorResponse")
    assert (caught.value.code, answer["error"]["code"]) == (404, "unknown_url")
    assert refused(lab, "DELETE", "/chat/completions") == (405, "method_not_supported", None)


def test_bodies_that_are_no_json(lab: Server) -> None:
    numbers = (b'{"model": NaN}', b'{"model": 1e999}')
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"a": "\\ud800"}', *numbers):
        assert refused(lab, "POST", "/chat/completions", body)[:2] == (400, "invalid_json")
    text = {"Content-Type": "text/plain"}
    assert refused(lab, "POST", "/chat/completions", b"{}", text)[0] == 415
    assert refused(lab, "POST", "/files", b"{}")[0] == 415


# Files


def test_a_file_comes_back_as_it_went(lab: Server) -> None:
    client, data = lab.client(), ("\ufeff" + rows(10)).encode()
    file = client.files.create(
        file=("ejemplo ñ.jsonl", data),
        purpose="fine-tune",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (file.filename, file.bytes, file.purpose) == ("ejemplo ñ.jsonl", len(data), "fine-tune")
    assert file.expires_at == file.created_at + 3600
    assert client.files.content(file.id).read() == data
    assert lab.call("GET", f"/files/{file.id}")[1]["id"] == file.id
    assert lab.call("DELETE", f"/files/{file.id}") == (
        200,
        {"id": file.id, "object": "file", "deleted": True},
    )
    assert refused(lab, "GET", f"/files/{file.id}") == (404, None, "id")
    assert refused(lab, "GET", f"/files/{file.id}/content") == (404, None, "id")


def test_files_are_listed_in_pages(lab: Server) -> None:
    ids = [
        lab.client().files.create(file=(f"{i}.txt", b"x"), purpose="user_data").id for i in range(3)
    ]
    status, page = lab.call("GET", "/files?purpose=user_data&limit=2")
    assert ([f["id"] for f in page["data"]], page["has_more"]) == (ids[:0:-1], True)
    assert page["last_id"] == ids[1]
    listed = lab.client().files.list(purpose="user_data", limit=1, order="asc")
    assert [f.id for f in listed] == ids  # the SDK asks for each further page
    assert refused(lab, "GET", "/files?limit=0") == (400, "invalid_value", "limit")
    assert refused(lab, "GET", "/files?after=file-none") == (400, "invalid_value", "after")


def test_an_upload_name_is_never_a_path(lab: Server) -> None:
    name = "../../../../tmp/escape\n.jsonl"
    file = lab.client().files.create(file=(name, b"{}"), purpose="fine-tune")
    assert "/" not in file.filename and "\n" not in file.filename
    assert (lab.state / "files" / file.id).read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("name", "data", "purpose", "code"),
    [
        ("train.csv", b"a,b", "fine-tune", "invalid_file_format"),
        ("train.jsonl", b"", "fine-tune", "empty_file"),
        ("train.jsonl", b"{}", "training", "invalid_value"),
    ],
)
def test_uploads_that_are_refused(lab: Server, name, data, purpose, code) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        lab.client().files.create(file=(name, data), purpose=purpose)
    assert caught.value.code == code


def test_an_upload_over_512_mb_is_refused_before_it_is_read(lab: Server) -> None:
    with socket.create_connection(("127.0.0.1", lab.port)) as connection:
        connection.sendall(
            b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            + f"Authorization: Bearer {KEY}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


# Jobs that fail


def test_fewer_than_ten_examples(lab: Server) -> None:
    error = failed_job(lab, rows(9))
    assert (error.code, error.param) == ("invalid_n_examples", "training_file")
    assert error.message == "Training file has 9 example(s), but must have at least 10 examples"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"messages": [', "line 11: not valid JSON"),
        (
            '{"messages": [{"role": "robot", "content": ""}]}',
            "line 11: message 1: unknown role `robot`",
        ),
        (
            '{"messages": [{"role": "user", "content": "x"}]}',
            "line 11: no message is the assistant's",
        ),
        (
            '{"prompt": "x", "completion": "y"}',
            "line 11: a completion example in a file of chat",
        ),
        (
            '{"messages": [{"role": "user", "content": "'
            + "long " * 8200
            + '"}, {"role": "assistant", "content": "x"}]}',
            "more than the 8,192 allowed",
        ),
    ],
)
def test_a_bad_line_fails_the_job_with_file_line_and_reason(lab: Server, line, reason) -> None:
    error = failed_job(lab, rows(10) + line + "\n" + rows(2))
    assert (error.code, error.param) == ("invalid_training_file", "training_file")
    assert "mine.jsonl" in error.message and reason in error.message


def test_a_bad_validation_file(lab: Server) -> None:
    bad = lab.upload("{", "check.jsonl")
    error = failed_job(lab, rows(10), validation_file=bad)
    assert (error.code, error.param) == ("invalid_validation_file", "validation_file")


def test_jobs_that_are_not_created(lab: Server) -> None:
    file = lab.upload(rows(10))
    good = {"model": MODEL, "training_file": file}

    def create(**more) -> tuple:
        return refused(lab, "POST", "/fine_tuning/jobs", good | more)

    assert create(model="gpt-9") == (400, "model_not_available", "model")
    assert create(training_file="file-none") == (400, "file_not_found", "training_file")
    assert create(validation_file="../key") == (400, "file_not_found", "validation_file")
    assert create(method={"type": "reinforcement"}) == (400, "unsupported_method", "method.type")
    assert create(metadata={"k" * 65: "v"})[1:] == ("string_above_max_length", "metadata")
    assert create(hyperparameters={"n_epochs": 0})[1] == "integer_below_min_value"
    lab.client().files.delete(file)
    assert create() == (400, "file_not_found", "training_file")
    other = lab.client().files.create(file=("x.jsonl", b"{}"), purpose="user_data").id
    assert create(training_file=other) == (400, "invalid_file_purpose", "training_file")
    for path in ("", "/events", "/checkpoints"):
        assert refused(lab, "GET", f"/fine_tuning/jobs/ftjob-no{path}")[:2] == (
            404,
            "fine_tune_not_found",
        )


# Jobs that train


def test_a_job_from_end_to_end(lab: Server, tuned) -> None:
    assert tuned.fine_tuned_model == f"ft:{MODEL}:lab:my-marv:{tuned.id[-8:]}"
    assert tuned.hyperparameters.batch_size == 4 and tuned.seed == 7
    assert tuned.error is None and tuned.finished_at >= tuned.created_at
    examples = [json.loads(line) for line in rows(12).splitlines()]
    tokenizer = Tokenizer(weights.ensure())
    tokens = sum(len(tokenizer.row_example(example)[0]) for example in examples)
    assert tuned.trained_tokens == 4 * tokens
    assert lab.call("GET", f"/fine_tuning/jobs/{tuned.id}")[1]["metadata"] == {"course": "test"}

    status, page = lab.call("GET", f"/fine_tuning/jobs/{tuned.id}/events?limit=100")
    events = page["data"][::-1]  # the newest comes first
    assert [e["data"]["step"] for e in events if e["type"] == "metrics"] == list(range(1, 13))
    said = [e["message"] for e in events if e["type"] == "message"]
    assert said[0] == f"Created fine-tuning job: {tuned.id}"
    assert said[-1] == "The job has successfully completed"
    assert "Files validated, moving job to queued state" in said
    paged = lab.client().fine_tuning.jobs.list_events(tuned.id, limit=5)
    assert [e.id for e in paged] == [e["id"] for e in page["data"]]


def test_the_result_file_has_a_row_a_step(lab: Server, tuned) -> None:
    content = lab.client().files.content(tuned.result_files[0]).read()
    table = base64.b64decode(content).decode().splitlines()
    assert table[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert [line.split(",")[0] for line in table[1:]] == [str(i) for i in range(1, 13)]
    first, last = (float(line.split(",")[1]) for line in (table[1], table[-1]))
    assert last < first / 2  # it learned
    file = lab.call("GET", f"/files/{tuned.result_files[0]}")[1]
    assert (file["purpose"], file["bytes"]) == ("fine-tune-results", len(content))


def test_the_last_three_checkpoints_are_models(lab: Server, tuned) -> None:
    status, page = lab.call("GET", f"/fine_tuning/jobs/{tuned.id}/checkpoints")
    assert [c["step_number"] for c in page["data"]] == [12, 9, 6]
    assert (
        page["data"][0]["metrics"]["full_valid_loss"]
        < page["data"][-1]["metrics"]["full_valid_loss"]
    )
    name = page["data"][-1]["fine_tuned_model_checkpoint"]
    assert name == f"{tuned.fine_tuned_model}:ckpt-step-6"
    assert lab.call("GET", f"/models/{name}")[1]["id"] == name
    assert chat(lab, model=name).model == name


def test_the_tuned_model_has_learned(lab: Server, tuned) -> None:
    ask = [{"role": "user", "content": "Question 3?"}]
    assert (
        chat(lab, model=tuned.fine_tuned_model, messages=ask).choices[0].message.content
        == "Answer 3."
    )
    assert chat(lab, messages=ask).choices[0].message.content != "Answer 3."


def test_jobs_are_found_by_metadata_and_page(lab: Server, tuned) -> None:
    found = lab.client().fine_tuning.jobs.list(metadata={"course": "test"})
    assert [job.id for job in found] == [tuned.id]
    assert lab.call("GET", "/fine_tuning/jobs?metadata[course]=other")[1]["data"] == []
    failed_job(lab, rows(1))
    status, page = lab.call("GET", "/fine_tuning/jobs?limit=1")
    after = lab.call("GET", f"/fine_tuning/jobs?after={page['data'][0]['id']}")[1]["data"]
    assert page["has_more"] and page["data"][0]["id"] not in [job["id"] for job in after]


def test_a_job_is_paused_resumed_and_cancelled(lab: Server, tuned) -> None:
    jobs, file = lab.client().fine_tuning.jobs, lab.upload(rows(40))

    def steps() -> int:
        return sum(event.type == "metrics" for event in jobs.list_events(job.id, limit=100))

    def train_to(step: int) -> None:
        until = time.monotonic() + 300
        while steps() < step:
            assert time.monotonic() < until
            time.sleep(0.1)

    def stands_still() -> bool:
        time.sleep(0.5)  # a step that was already in the diary may still arrive
        before = steps()
        time.sleep(1.5)
        return steps() == before

    # From a tuned model; deleting the file shows that a job has its own hold on the bytes.
    job = jobs.create(
        model=tuned.fine_tuned_model, training_file=file, hyperparameters={"n_epochs": 50}
    )
    lab.client().files.delete(file)
    train_to(2)
    running = jobs.retrieve(job.id)
    assert running.status == "running" and running.estimated_finish >= running.created_at
    assert lab.call("POST", f"/fine_tuning/jobs/{job.id}/pause")[1]["status"] == "paused"
    assert stands_still()
    paused_at = steps()
    assert jobs.resume(job.id).status == "queued"
    train_to(paused_at + 1)
    assert jobs.cancel(job.id).status == "cancelled"
    assert stands_still()
    for done in (job.id, tuned.id):
        refusal = refused(lab, "POST", f"/fine_tuning/jobs/{done}/cancel")
        assert refusal[:2] == (400, "invalid_job_status")


def test_models_are_listed_and_only_tuned_ones_deleted(lab: Server, tuned) -> None:
    ids = [model["id"] for model in lab.call("GET", "/models")[1]["data"]]
    assert ids[0] == MODEL and tuned.fine_tuned_model in ids
    name = f"{tuned.fine_tuned_model}:ckpt-step-9"
    assert lab.call("DELETE", f"/models/{name}")[1] == {
        "id": name,
        "object": "model",
        "deleted": True,
    }
    assert refused(lab, "GET", f"/models/{name}") == (404, "model_not_found", "model")
    assert refused(lab, "DELETE", f"/models/{MODEL}")[0] == 403


# Chat


def test_an_answer_and_its_tokens(lab: Server) -> None:
    status, answer = lab.call(
        "POST",
        "/chat/completions",
        {
            "model": MODEL,
            "messages": ASK,
            "max_completion_tokens": 5,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 2,
        },
    )
    choice, usage = answer["choices"][0], answer["usage"]
    prompt = Tokenizer(weights.ensure()).chat_prompt(ASK)
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (len(prompt), 5)
    assert usage["total_tokens"] == len(prompt) + 5 and choice["finish_reason"] == "length"
    tokens = choice["logprobs"]["content"]
    assert "".join(t["token"] for t in tokens) == choice["message"]["content"]
    assert all(t["top_logprobs"][0]["token"] == t["token"] for t in tokens)  # the likeliest, at 0


def test_seed_n_and_stop(lab: Server) -> None:
    whole = chat(lab).choices[0].message.content
    # 3.0 is the integer 3 in JSON. Other company in the batch may round differently, so n is 1.
    same = [chat(lab, temperature=1.5, seed=seed).choices[0].message.content for seed in (3, 3.0)]
    assert same[0] == same[1] != whole
    two = chat(lab, temperature=1.5, seed=3, n=2).choices
    assert [c.index for c in two] == [0, 1] and two[0].message.content != two[1].message.content
    cut = chat(lab, stop=[whole.split()[1]]).choices[0]
    assert cut.message.content == whole[: whole.index(whole.split()[1])]
    assert cut.finish_reason == "stop"
    four = chat(lab, stop=["\u2603", whole.split()[2], whole.split()[1], "\u2604"])
    assert four.choices[0].message.content == cut.message.content  # whichever comes first
    for name in ("max_tokens", "max_completion_tokens"):
        short = chat(lab, **{"max_tokens": None, name: 3})
        assert short.usage.completion_tokens == 3 and short.choices[0].finish_reason == "length"
    assert chat(lab, n=3, max_tokens=2).usage.completion_tokens == 6


def test_a_stream_says_the_same_as_an_answer(lab: Server) -> None:
    whole = chat(lab)
    chunks = list(chat(lab, stream=True, stream_options={"include_usage": True}))
    for chunk in chunks:
        conform(chunk.to_dict(mode="json"), "CreateChatCompletionStreamResponse")
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == whole.choices[0].message.content and len(pieces) > 3
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens and not chunks[-1].choices
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_stream_names_the_tokens_of_each_chunk(lab: Server) -> None:
    options = {"logprobs": True, "top_logprobs": 1}
    whole = chat(lab, **options).choices[0].logprobs.content
    chunks = [c.choices[0] for c in chat(lab, stream=True, **options)]
    for chunk in chunks:
        named = chunk.logprobs.content if chunk.logprobs else []
        assert "".join(token.token for token in named) == (chunk.delta.content or "")
    told = [t for chunk in chunks if chunk.logprobs for t in chunk.logprobs.content]
    assert [t.token for t in told] == [t.token for t in whole]
    assert sum(chunk.logprobs is not None for chunk in chunks) > 3


def test_structured_output_always_parses(lab: Server) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "stars", "schema": STARS, "strict": True},
    }
    answer = chat(lab, response_format=form, max_tokens=30, n=4, temperature=1.5, seed=1)
    for choice in answer.choices:
        jsonschema.validate(json.loads(choice.message.content), STARS)
        assert choice.finish_reason == "stop"


RATED = [  # a conversation after which even a small model calls the tool of its own accord
    {"role": "user", "content": "Review: Bad."},
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "1",
                "type": "function",
                "function": {"name": "rate", "arguments": '{"stars": 1}'},
            }
        ],
    },
] * 3 + [{"role": "user", "content": "Review: Superb!"}]


@pytest.mark.parametrize(
    "choice", ["auto", "required", {"type": "function", "function": {"name": "rate"}}]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_call_parses(lab: Server, choice, stream: bool) -> None:
    more = {"messages": RATED} if choice == "auto" else {}
    answer = chat(lab, tools=TOOLS, tool_choice=choice, max_tokens=60, stream=stream, **more)
    if stream:
        chunks = [c.choices[0] for c in answer]
        message, reason = (
            next(c.delta for c in chunks if c.delta.tool_calls),
            chunks[-1].finish_reason,
        )
        assert not any(c.delta.content for c in chunks)
    else:
        message, reason = answer.choices[0].message, answer.choices[0].finish_reason
        assert message.content is None
    call = message.tool_calls[0]
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
    jsonschema.validate(json.loads(call.function.arguments), schemas[call.function.name])
    assert call.id.startswith("call_") and reason == "tool_calls"
    if choice != "required":
        assert call.function.name == "rate"


def test_tools_leave_the_model_free_to_answer(lab: Server) -> None:
    answer = chat(lab, tools=TOOLS)
    assert answer.choices[0].message.content and not answer.choices[0].message.tool_calls
    after = [
        *ASK,
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "skip", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "done"},
    ]
    assert chat(lab, messages=after, tools=TOOLS, tool_choice="none").choices[0].message.content


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "gpt-9"}, (404, "model_not_found", "model")),
        ({"model": f"ft:{MODEL}:lab::gone1234"}, (404, "model_not_found", "model")),
        ({"temperature": 9}, (400, "decimal_above_max_value", "temperature")),
        ({"max_tokens": 0}, (400, "integer_below_min_value", "max_tokens")),
        (
            {"max_tokens": 1, "max_completion_tokens": 1},
            (400, "invalid_parameter_combination", "max_tokens"),
        ),
        ({"max_tokens": 9000}, (400, "context_length_exceeded", "messages")),
        (
            {"messages": [{"role": "user", "content": "long " * 9000}]},
            (400, "context_length_exceeded", "messages"),
        ),
        ({"top_logprobs": 2}, (400, "invalid_parameter_combination", "top_logprobs")),
        (
            {"stream_options": {"include_usage": True}},
            (400, "invalid_parameter_combination", "stream_options"),
        ),
        ({"reasoning_effort": "low"}, (400, "unsupported_parameter", "reasoning_effort")),
        ({"presence_penalty": 3}, (400, "decimal_above_max_value", "presence_penalty")),
        ({"logit_bias": {"colour": 1}}, (400, "invalid_value", "logit_bias")),
        ({"logit_bias": {"1000000": 1}}, (400, "invalid_value", "logit_bias")),
        ({"logit_bias": {"9" * 5000: 1}}, (400, "invalid_value", "logit_bias")),
        ({"logit_bias": {"7": 101}}, (400, "invalid_value", "logit_bias")),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
                ]
            },
            (400, "unsupported_parameter", "messages[0].content[0]"),
        ),
        ({"tool_choice": "required"}, (400, "invalid_parameter_combination", "tool_choice")),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "no"}}},
            (400, "invalid_value", "tool_choice"),
        ),
        ({"response_format": {"type": "json_object"}}, (400, None, "messages")),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "x",
                        "schema": {"type": "object", "properties": {"a": {"type": "nothing"}}},
                    },
                }
            },
            (400, "invalid_schema", "response_format"),
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}},
                }
            },
            (400, "invalid_schema", "response_format.json_schema.schema"),
        ),
    ],
)
def test_chats_that_are_refused(lab: Server, change: dict, expected: tuple) -> None:
    body = {"model": MODEL, "messages": ASK} | change
    assert refused(lab, "POST", "/chat/completions", body) == expected


def test_a_bias_forces_a_label(lab: Server) -> None:
    example = {"messages": [*ASK, {"role": "assistant", "content": "4"}]}
    tokens = lab.call("POST", "/lab/loss_mask", example)[1]["tokens"]
    [four] = [str(t["id"]) for t in tokens if t["trained"] and t["text"] == "4"]
    answer = chat(lab, logit_bias={four: 100}, max_tokens=1, frequency_penalty=0.5)
    assert answer.choices[0].message.content == "4"


def test_many_clients_are_answered_at_once(lab: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = lab.client()

    def ask(i: int) -> str:
        return (
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"Say {i}."}],
                max_tokens=4,
                temperature=0,
            )
            .choices[0]
            .message.content
        )

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(32)))


# The lab's own


def test_the_loss_mask_marks_what_the_assistant_says(lab: Server) -> None:
    tokens = lab.call(
        "POST", "/lab/loss_mask", {"messages": [*ASK, {"role": "assistant", "content": "Blue."}]}
    )[1]["tokens"]
    assert "".join(t["text"] for t in tokens if t["trained"]) == "Blue.<|im_end|>"
    pair = lab.call("POST", "/lab/loss_mask", {"prompt": "A:", "completion": " b"})[1]["tokens"]
    assert [t["trained"] for t in pair] == [False, False, True, True]
    assert refused(lab, "POST", "/lab/loss_mask", {"messages": ASK})[:2] == (400, "invalid_example")


def test_the_log_has_a_line_a_request_without_secrets(lab: Server) -> None:
    chat(lab, messages=[{"role": "user", "content": "my-secret-thought"}])
    text = lab.log.read_text()
    assert "POST /v1/chat/completions 200" in text
    assert KEY not in text and "my-secret-thought" not in text and "Traceback" not in text


def test_the_state_is_for_its_owner_alone(lab: Server) -> None:
    assert lab.state.stat().st_mode & 0o077 == 0
    assert (lab.state / "key").stat().st_mode & 0o077 == 0


# The command line


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "workbook", "lab", *arguments],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_port_in_use_and_a_state_in_use_are_plain_sentences(lab: Server, tmp_path) -> None:
    taken = command("serve", "--state", str(tmp_path / "other"), "--port", str(lab.port))
    assert taken.returncode == 1 and f"Port {lab.port} can't be used" in taken.stderr
    assert "Traceback" not in taken.stderr
    second = command("serve", "--state", str(lab.state))
    assert second.returncode == 1 and "A lab already uses the state folder" in second.stderr
    assert f"port {lab.port}" in second.stderr


def test_status_and_stop(lab: Server, tmp_path) -> None:
    status = command("status", "--state", str(lab.state))
    assert (
        status.returncode == 0 and f":{lab.port}/v1" in status.stdout and KEY not in status.stdout
    )
    nothing = command("status", "--state", str(tmp_path))
    assert nothing.returncode == 1 and "serve" in nothing.stdout
    assert command("stop", "--state", str(tmp_path)).stdout == "No lab was running.\n"


@pytest.mark.full
def test_stop_ends_a_lab_that_answers_and_one_that_hangs(tmp_path) -> None:
    answering = start(tmp_path / "one")
    assert command("stop", "--state", str(answering.state)).stdout == "The lab has stopped.\n"
    assert answering.process.wait(1) == 0
    hanging = start(tmp_path / "two")
    hanging.process.send_signal(signal.SIGSTOP)
    assert command("stop", "--state", str(hanging.state)).stdout == "The lab has stopped.\n"
    assert hanging.process.wait(1) == -signal.SIGKILL
    again = start(hanging.state)
    assert again.call("GET", "/files")[0] == 200
    again.stop()


def test_an_interrupted_clients_work_is_dropped(lab: Server) -> None:
    with lab.client().chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=4000, temperature=1, stream=True
    ) as stream:
        next(iter(stream))
    began = time.monotonic()
    chat(lab, max_tokens=1)
    assert time.monotonic() - began < 20
