"""The whole course of things with whichever `openai` is imported: `python course.py URL KEY`.

Answers must fit the types of that package: the client is told to check them, which it does not by
default. Knows nothing of the lab but its address, its key and its first model.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

import openai
from pydantic import BaseModel

ASK: Any = [{"role": "user", "content": "Name a colour."}]
TRAINING = "".join(
    json.dumps(
        {
            "messages": [
                {"role": "user", "content": f"Question {i}?"},
                {"role": "assistant", "content": f"Answer {i}."},
            ]
        }
    )
    + "\n"
    for i in range(10)
)


class Rating(BaseModel):
    """What `parse` shall return."""

    stars: Literal[1, 2, 3, 4, 5]


def files(client: openai.OpenAI) -> None:
    """Created, read, listed page by page, deleted."""
    made = [client.files.create(file=(f"{i}.txt", b"x"), purpose="user_data") for i in range(3)]
    listed = client.files.list(purpose="user_data", limit=2)
    assert listed.has_more and len(listed.data) == 2
    assert {file.id for file in made} <= {file.id for file in listed}  # the iterator turns pages
    assert client.files.retrieve(made[0].id) == made[0]
    assert client.files.content(made[0].id).read() == b"x"
    for file in made:
        assert client.files.delete(file.id).deleted
    assert refused(openai.NotFoundError, client.files.retrieve, made[0].id).param == "id"


def job_that_trains(client: openai.OpenAI, model: str) -> str:
    """Created, awaited, its events and checkpoints read; the value is the tuned model's id."""
    file = client.files.create(file=("train.jsonl", TRAINING.encode()), purpose="fine-tune")
    assert client.files.wait_for_processing(file.id).status == "processed"
    jobs = client.fine_tuning.jobs
    mark = {"run": f"{openai.__version__} {time.time_ns()}"}  # versions may share a lab
    job = jobs.create(
        model=model,
        training_file=file.id,
        suffix="client",
        seed=1,
        metadata=mark,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    )
    job = until(lambda: jobs.retrieve(job.id), "succeeded")
    assert job.trained_tokens and job.method and job.method.type == "supervised"
    assert [found.id for found in jobs.list(metadata=mark)] == [job.id]
    events = list(jobs.list_events(job.id, limit=4))  # more than a page
    assert {event.type for event in events} == {"message", "metrics"} and len(events) > 4
    [checkpoint] = jobs.checkpoints.list(job.id)
    assert checkpoint.step_number > 0 and checkpoint.metrics.train_loss
    assert client.files.content(job.result_files[0]).read()
    assert job.fine_tuned_model
    return job.fine_tuned_model


def job_that_is_paused(client: openai.OpenAI, model: str) -> None:
    """Paused, resumed and cancelled; then found by pages of one."""
    file = client.files.create(file=("train.jsonl", TRAINING.encode()), purpose="fine-tune")
    jobs = client.fine_tuning.jobs
    job = jobs.create(
        model=model,
        training_file=file.id,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}},
    )
    until(lambda: jobs.retrieve(job.id), "queued", "running")
    assert jobs.pause(job.id).status == "paused"
    assert jobs.resume(job.id).status in ("queued", "running")
    assert jobs.cancel(job.id).status == "cancelled"
    refused(openai.BadRequestError, jobs.cancel, job.id)
    page = jobs.list(limit=1)
    assert page.data[0].id == job.id and page.has_more
    assert job.id not in [other.id for other in jobs.list(after=job.id, limit=1)]


def chat(client: openai.OpenAI, model: str) -> None:
    """Whole and streamed answers, log probabilities, tools, answers as objects."""
    create = client.chat.completions.create
    answer = create(
        model=model,
        messages=ASK,
        max_completion_tokens=4,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )
    assert answer.usage and answer.usage.completion_tokens <= 4
    assert answer.choices[0].logprobs and answer.choices[0].logprobs.content[0].top_logprobs

    chunks = list(
        create(
            model=model,
            messages=ASK,
            max_tokens=4,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == answer.choices[0].message.content
    assert chunks[-1].usage and chunks[-1].usage.total_tokens == answer.usage.total_tokens

    asked: Any = {"model": model, "messages": ASK, "max_tokens": 40, "seed": 1}
    rated = client.chat.completions.parse(**asked, response_format=Rating)
    assert isinstance(rated.choices[0].message.parsed, Rating)
    with client.chat.completions.stream(**asked, response_format=Rating) as stream:
        assert "content.done" in [event.type for event in stream]
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Rating)
    tool = openai.pydantic_function_tool(Rating, name="rate")
    called = client.chat.completions.parse(**asked, tools=[tool], tool_choice="required")
    [call] = called.choices[0].message.tool_calls
    assert call.function.name == "rate" and isinstance(call.function.parsed_arguments, Rating)

    error = refused(openai.BadRequestError, create, model=model, messages=ASK, temperature=9)
    assert (error.code, error.param) == ("decimal_above_max_value", "temperature")


def models(client: openai.OpenAI, tuned: str) -> None:
    """Listed, retrieved; a tuned one deleted."""
    assert tuned in [model.id for model in client.models.list()]
    assert client.models.retrieve(tuned).id == tuned
    assert client.models.delete(tuned).deleted
    refused(openai.NotFoundError, client.models.retrieve, tuned)


def legacy_completions(client: openai.OpenAI, model: str) -> None:
    """Text in, text out, whole and streamed."""
    asked: Any = {"model": model, "prompt": "One, two,", "max_tokens": 4, "temperature": 0}
    answer = client.completions.create(**asked)
    streamed = client.completions.create(**asked, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == answer.choices[0].text


def batch(client: openai.OpenAI, model: str) -> None:
    """A file of requests becomes a file of answers."""
    body = {"model": model, "messages": ASK, "max_tokens": 2}
    lines = [
        {"custom_id": f"a{i}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for i in range(3)
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("requests.jsonl", data), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    done = until(lambda: client.batches.retrieve(made.id), "completed")
    assert done.request_counts.completed == 3
    answers = client.files.content(done.output_file_id).text.splitlines()
    assert {json.loads(line)["custom_id"] for line in answers} == {"a0", "a1", "a2"}
    assert made.id in [listed.id for listed in client.batches.list()]


def responses(client: openai.OpenAI, model: str) -> None:
    """Whole and as events; an object; a function's call and what came of it."""
    asked: Any = {"model": model, "max_output_tokens": 40, "temperature": 0}
    answer = client.responses.create(**asked, input="Name a colour.")
    events = list(client.responses.create(**asked, input="Name a colour.", stream=True))
    last = events[-1].response
    assert last.output_text == answer.output_text and last.usage and answer.usage
    assert last.status == answer.status
    parsed = client.responses.parse(**asked, input=ASK, text_format=Rating)
    assert isinstance(parsed.output_parsed, Rating)
    tool: Any = openai.pydantic_function_tool(Rating, name="rate")["function"] | {
        "type": "function"
    }
    called = client.responses.create(**asked, input=ASK, tools=[tool], tool_choice="required")
    [call] = called.output
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "kept"}
    assert client.responses.create(**asked, input=[*ASK, call, output], tools=[tool]).output


def vectors(client: openai.OpenAI, model: str) -> None:
    """Of several texts; fewer dimensions."""
    made = client.embeddings.create(model=model, input=["a", "b"], dimensions=4)
    assert [len(each.embedding) for each in made.data] == [4, 4]


def uploads(client: openai.OpenAI) -> None:
    """In parts."""
    upload = client.uploads.create(
        bytes=6, filename="a.txt", mime_type="text/plain", purpose="assistants"
    )
    parts = [client.uploads.parts.create(upload.id, data=data).id for data in (b"abc", b"def")]
    done = client.uploads.complete(upload.id, part_ids=parts)
    assert done.file and client.files.content(done.file.id).read() == b"abcdef"


def evals(client: openai.OpenAI, model: str) -> None:
    """Described, run, read."""
    criterion: Any = {
        "type": "string_check",
        "name": "says something",
        "operation": "ne",
        "input": "{{sample.output_text}}",
        "reference": "{{item.nothing}}",
    }
    schema = {"type": "object", "properties": {"nothing": {"type": "string"}}}
    config: Any = {"type": "custom", "item_schema": schema, "include_sample_schema": True}
    made = client.evals.create(data_source_config=config, testing_criteria=[criterion])
    source: Any = {
        "type": "completions",
        "model": model,
        "source": {"type": "file_content", "content": [{"item": {"nothing": "x"}}] * 2},
        "input_messages": {"type": "template", "template": ASK},
        "sampling_params": {"max_completion_tokens": 2},
    }
    runs = client.evals.runs
    run = runs.create(made.id, data_source=source)
    run = until(lambda: runs.retrieve(run.id, eval_id=made.id), "completed")
    assert run.result_counts.total == 2
    assert len(list(runs.output_items.list(run.id, eval_id=made.id, limit=1))) == 2
    assert client.evals.delete(made.id)


def graders(client: openai.OpenAI) -> None:
    """Validated and run."""
    grader: Any = {
        "type": "string_check",
        "name": "same",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "{{item.label}}",
    }
    alpha = client.fine_tuning.alpha.graders
    assert alpha.validate(grader=grader).grader
    ran = alpha.run(grader=grader, model_sample="4 stars", item={"label": "4 stars"})
    assert ran.reward == 1


def azure(url: str, key: str, model: str) -> None:
    """Azure's client, by its newer address and by its older one; files may begin with a BOM."""
    for place in ({"base_url": f"{url}/openai/v1/"}, {"azure_endpoint": url}):
        client: Any = openai.AzureOpenAI(**place, api_key=key, api_version="2025-03-01-preview")
        data = b"\xef\xbb\xbf" + TRAINING.encode()
        file = client.files.create(file=("train.jsonl", data), purpose="fine-tune")
        jobs = client.fine_tuning.jobs
        job = jobs.create(model=model, training_file=file.id)
        until(lambda jobs=jobs, job=job: jobs.retrieve(job.id), "queued", "running")  # it was read
        assert jobs.cancel(job.id).status == "cancelled"
        answer = client.chat.completions.create(model=model, messages=ASK, max_tokens=2)
        assert answer.choices[0].message.content is not None


async def at_once(client: openai.AsyncOpenAI, model: str) -> None:
    """The asynchronous client: sixteen requests at a time, half of them streamed; files, jobs."""

    async def whole(i: int) -> str:
        answer = await client.chat.completions.create(
            model=model, messages=ASK, max_tokens=6, temperature=0
        )
        return answer.choices[0].message.content or ""

    async def streamed(i: int) -> str:
        chunks = await client.chat.completions.create(
            model=model, messages=ASK, max_tokens=6, temperature=0, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    said = await asyncio.gather(*[(whole if i % 2 else streamed)(i) for i in range(16)])
    assert all(said)
    names = [f"{i}.jsonl" for i in range(3)]
    made = await asyncio.gather(
        *[
            client.files.create(file=(name, TRAINING.encode()), purpose="fine-tune")
            for name in names
        ]
    )
    listed = [file.id async for file in client.files.list(purpose="fine-tune", limit=2)]
    assert {file.id for file in made} <= set(listed)
    job = await client.fine_tuning.jobs.create(model=model, training_file=made[0].id)
    assert (await client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
    assert [event.id async for event in client.fine_tuning.jobs.list_events(job.id, limit=1)]


def until(look: Callable[[], Any], *states: str) -> Any:
    """What `look` gives once its status is one of these; fails after a minute, or when it has
    ended otherwise."""
    for _ in range(600):
        seen = look()
        if seen.status in states:
            return seen
        assert seen.status not in ("succeeded", "failed", "cancelled", "completed"), seen
        time.sleep(0.1)
    raise AssertionError(seen)


def refused(
    error: type[openai.APIStatusError], call: Callable[..., Any], *given: Any, **named: Any
) -> openai.APIStatusError:
    """The error of this kind that the call must raise."""
    try:
        call(*given, **named)
    except error as caught:
        return caught
    raise AssertionError(f"{call.__name__} raised no {error.__name__}")


def main(url: str, key: str) -> None:
    """Go through everything; an AssertionError or the client's own error ends it."""
    settings: Any = {"base_url": f"{url}/v1", "api_key": key, "max_retries": 0}
    lenient = openai.OpenAI(**settings)  # no type has "paused", nor a reason that is not there yet
    settings["_strict_response_validation"] = True
    client = openai.OpenAI(**settings)
    model = client.models.list().data[0].id
    files(client)
    tuned = job_that_trains(client, model)
    chat(client, model)
    chat(client, tuned)
    models(client, tuned)
    job_that_is_paused(lenient, model)
    legacy_completions(lenient, model)
    batch(client, model)
    graders(client)
    responses(lenient, model)
    vectors(lenient, model)
    uploads(client)
    evals(lenient, model)
    azure(url, key, model)
    asyncio.run(at_once(openai.AsyncOpenAI(**settings), model))
    print(f"openai {openai.__version__}: everything passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
