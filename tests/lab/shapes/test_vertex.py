"""Vertex AI's shape over real sockets: tuning jobs, buckets, who may read them, generateContent.

By google-genai where it is installed (the full tier), and by plain HTTP for what every run checks.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labserver import KEY, Server
from waiting import until

from workbook.hosts import rest

PLACE = "projects/shop/locations/us-central1"


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": f"Question {number}?"}]},
            {"role": "model", "parts": [{"text": f"Answer {number}."}]},
        ],
    } | more


def fill(folder: Path, name: str, rows: list[Any]) -> str:
    """A file in the bucket `shop`, and its address."""
    bucket = folder / "home" / "buckets" / "shop"
    bucket.mkdir(parents=True, exist_ok=True)
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in rows)
    (bucket / name).write_text(text + "\n", encoding="utf-8")
    return f"gs://shop/{name}"


@pytest.fixture(scope="module")
def send(lab: Server) -> Callable[..., Any]:
    def send(method: str, path: str, body: Any = None, version: str = "v1beta1") -> Any:
        return rest.send(method, f"{lab.url}/{version}/{path}", KEY, body)

    return send


def spec(uri: str, **settings: Any) -> dict[str, Any]:
    return {
        "baseModel": "tiny",
        "supervisedTuningSpec": {"trainingDatasetUri": uri, "hyperParameters": settings},
    }


def ended(send: Callable[..., Any], name: str) -> dict[str, Any]:
    states = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
    until(lambda: send("GET", name)["state"] in states)
    return send("GET", name)


@pytest.fixture(scope="module")
def tuned(folder: Path, send: Callable[..., Any]) -> dict[str, Any]:
    uri = fill(folder, "train.jsonl", [row(n) for n in range(12)])
    job = send("POST", f"{PLACE}/tuningJobs", spec(uri, epochCount="1"))
    assert job["state"] == "JOB_STATE_PENDING" and job["baseModel"] == "tiny"
    job = ended(send, job["name"])
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    return job


def asked(text: str = "Hi", **config: Any) -> dict[str, Any]:
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return {"contents": contents, "generationConfig": {"maxOutputTokens": 4} | config}


def test_a_job_trains_on_the_buckets_file_and_its_endpoint_answers(send, lab, tuned) -> None:
    endpoint = tuned["tunedModel"]["endpoint"]
    assert endpoint.startswith(PLACE) and "endTime" in tuned
    for version in ("v1beta1", "v1"):
        answer = send("POST", f"{endpoint}:generateContent", asked(), version)
        [candidate] = answer["candidates"]
        assert candidate["content"]["role"] == "model" and candidate["finishReason"]
        assert answer["usageMetadata"]["candidatesTokenCount"] <= 4
    [ours] = lab.client().fine_tuning.jobs.list().data[:1]
    assert ours.status == "succeeded" and answer["modelVersion"] == ours.fine_tuned_model
    content = lab.client().files.content(ours.training_file).read()
    messages = json.loads(content.splitlines()[0])["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]


def test_jobs_are_listed_in_pages_by_project(send, folder, tuned) -> None:
    uri = fill(folder, "again.jsonl", [row(n) for n in range(12)])
    second = send("POST", f"{PLACE}/tuningJobs", spec(uri))
    first = send("GET", f"{PLACE}/tuningJobs?pageSize=1")
    assert [job["name"] for job in first["tuningJobs"]] == [second["name"]]
    token = first["nextPageToken"]
    rest_ = send("GET", f"{PLACE}/tuningJobs?pageSize=1&pageToken={token}")
    assert [job["name"] for job in rest_["tuningJobs"]] == [tuned["name"]]
    assert send("GET", "projects/other/locations/us-central1/tuningJobs") == {"tuningJobs": []}
    assert send("POST", f"{second['name']}:cancel", {}) == {}
    assert ended(send, second["name"])["state"] == "JOB_STATE_CANCELLED"
    with pytest.raises(rest.RefusedRequestError, match="does not exist") as refusal:
        send("GET", second["name"].replace("shop", "other"))
    assert refusal.value.status == 404


def test_the_agent_that_does_not_exist_before_the_first_job(send, lab, folder, tuned) -> None:
    """As people meet it: a bucket that is not open, a first job that fails, and the cure."""
    uri = fill(folder, "train.jsonl", [row(n) for n in range(12)])
    jobs = "projects/new/locations/us-central1/tuningJobs"
    policy = f"{lab.url}/storage/v1/b/shop/iam"
    mine = {"role": "roles/storage.admin", "members": ["user:me@example.org"]}
    rest.send("PUT", policy, KEY, {"bindings": [mine]})
    try:
        first = send("POST", jobs, spec(uri))
        assert first["state"] == "JOB_STATE_FAILED" and first["error"]["code"] == 7
        agent = first["error"]["message"].split()[0]
        unknown = agent.replace(agent[8:20], "000000000000")
        for account, exists in ((unknown, False), (agent, True)):
            grant = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{account}"]}
            if exists:
                rest.send("PUT", policy, KEY, {"bindings": [mine, grant]})
                continue
            with pytest.raises(rest.RefusedRequestError, match=f"{account} does not exist"):
                rest.send("PUT", policy, KEY, {"bindings": [mine, grant]})
        second = send("POST", jobs, spec(uri))
        assert second["state"] == "JOB_STATE_PENDING"
        send("POST", f"{second['name']}:cancel", {})
    finally:
        (folder / "home" / "buckets" / ".policies" / "shop.json").unlink()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["{"], "train2.jsonl, line 13: it is no JSON"),
        ([row(1, tools=[])], "line 13: `tools` is nothing that the lab trains on"),
        ([{"contents": []}], "line 13: `contents` must be a list"),
        ([{"contents": [{"role": "bot", "parts": []}]}], r"line 13: `contents\[0\].role` is 'bot'"),
        ([{"contents": [{"role": ["user"], "parts": []}]}], r"contents\[0\].role` is \['user'\]"),
        (
            [{"contents": [{"role": "user", "parts": [{"inlineData": {}}]}]}],
            "has inlineData; the lab reads text only",
        ),
    ],
)
def test_a_job_tells_what_is_wrong_with_its_file(send, folder, rows, words) -> None:
    uri = fill(folder, "train2.jsonl", [row(n) for n in range(12)] + rows)
    job = send("POST", f"{PLACE}/tuningJobs", spec(uri))
    assert job["state"] == "JOB_STATE_FAILED" and job["error"]["code"] == 3
    assert re.search(words, job["error"]["message"]), job["error"]["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"baseModel": "gemini-3.5-flash"}, "The lab tunes tiny"),
        ({"supervisedTuningSpec": {}}, "trainingDatasetUri"),
        ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://shop/../x.jsonl"}}, "not exist"),
        ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://../x.jsonl"}}, "no address"),
        ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://shop/none.jsonl"}}, "not exist"),
        (spec(f"gs://shop/{'a' * 300}.jsonl"), "not exist"),
        (spec("gs://shop/a\0.jsonl"), "not exist"),
        ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://shop/a.csv"}}, ".jsonl"),
        ({"preferenceOptimizationSpec": {"a": 1}}, "does not support"),
        (spec("gs://shop/train.jsonl", epochCount=0), "epochCount"),
        (spec("gs://shop/train.jsonl", learningRateMultiplier=-1), "above 0"),
        (spec("gs://shop/train.jsonl", adapterSize="ADAPTER_SIZE_FOUR"), "rank 16"),
    ],
)
def test_a_request_for_a_job_is_checked(send, tuned, change: dict[str, Any], words: str) -> None:
    with pytest.raises(rest.RefusedRequestError, match=words) as refusal:
        send("POST", f"{PLACE}/tuningJobs", spec("gs://shop/train.jsonl") | change)
    assert refusal.value.status in (400, 404)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (asked() | {"tools": [{}]}, "does not support 'tools'"),
        (asked(topK=4), "generationConfig.topK"),
        (asked(temperature=9), "'generationConfig.temperature'|'temperature'"),
        (asked(maxOutputTokens=99999), "maximum context length"),
        ({"contents": "Hi"}, "list of turns"),
    ],
)
def test_a_question_is_checked_and_refused_in_googles_words(send, body, words) -> None:
    model = f"{PLACE}/publishers/google/models/tiny"
    with pytest.raises(rest.RefusedRequestError, match=words) as refusal:
        send("POST", f"{model}:generateContent", body)
    assert refusal.value.status == 400


@pytest.mark.full
def test_googles_own_client_goes_the_whole_way(lab, folder, package) -> None:
    genai, types = package("google.genai"), package("google.genai.types")
    from google.oauth2.credentials import Credentials

    client = genai.Client(
        vertexai=True,
        project="shop",
        location="us-central1",
        credentials=Credentials(token=KEY),
        http_options=types.HttpOptions(base_url=lab.url),
    )
    uri = fill(folder, "client.jsonl", [row(n) for n in range(12)])
    job = client.tunings.tune(
        base_model="tiny",
        training_dataset=types.TuningDataset(gcs_uri=uri),
        config=types.CreateTuningJobConfig(epoch_count=1, tuned_model_display_name="marv"),
    )
    until(lambda: client.tunings.get(name=job.name).has_ended)
    job = client.tunings.get(name=job.name)
    assert job.has_succeeded, job.error
    names = [each.name for each in client.tunings.list(config={"page_size": 1})]
    assert job.name in names
    config = types.GenerateContentConfig(max_output_tokens=4, system_instruction="Be brief.")
    asking = {"model": job.tuned_model.endpoint, "contents": "Hi", "config": config}
    answer = client.models.generate_content(**asking)
    assert answer.text and answer.usage_metadata.total_token_count
    pieces = list(client.models.generate_content_stream(**asking))
    assert pieces[-1].candidates[0].finish_reason and "".join(p.text or "" for p in pieces)
    with pytest.raises(genai.errors.ClientError) as refusal:
        client.tunings.get(name=job.name + "0")
    assert refusal.value.code == 404 and refusal.value.status == "NOT_FOUND"
    waiting = client.tunings.tune(
        base_model="tiny", training_dataset=types.TuningDataset(gcs_uri=uri)
    )
    client.tunings.cancel(name=waiting.name)
    assert client.tunings.get(name=waiting.name).state == types.JobState.JOB_STATE_CANCELLED
