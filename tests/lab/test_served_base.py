"""A lab that serves another base than the course's: listed, chatted with and tuned."""

import json
from collections.abc import Iterator

import openai
import pytest
import tinylab
from labserver import MODEL, Server, rows

QUESTION = [{"role": "user", "content": "Question </s> 1?"}]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tinylab.serving(tmp_path_factory.mktemp("base")) as server:
        yield server


def test_it_is_listed_chatted_with_and_tuned(lab: Server) -> None:
    client = lab.client()
    assert [model.id for model in client.models.list()] == ["tiny"]
    with pytest.raises(openai.BadRequestError, match="tunes tiny"):
        client.fine_tuning.jobs.create(model=MODEL, training_file=lab.upload(rows(10)))
    job = client.fine_tuning.jobs.create(model="tiny", training_file=lab.upload(rows(10)))
    job = lab.finished(job.id)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model.startswith("ft:tiny:lab:")
    assert job.fine_tuned_model in [model.id for model in client.models.list()]
    for model in ("tiny", job.fine_tuned_model):
        answer = client.chat.completions.create(model=model, messages=QUESTION, max_tokens=4)
        assert 1 <= answer.usage.completion_tokens <= 4
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2]}},
        "required": ["n"],
        "additionalProperties": False,
    }
    forced = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    answer = client.chat.completions.create(model="tiny", messages=QUESTION, response_format=forced)
    assert json.loads(answer.choices[0].message.content)["n"] in (1, 2)
