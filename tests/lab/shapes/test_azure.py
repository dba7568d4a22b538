"""Azure's shape, by Azure's client over real sockets: names, rules for jobs, deployments."""

import json
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from labserver import ASK, KEY, Server, rows

from workbook.errors import WorkbookError
from workbook.hosts import azure
from workbook.lab.api.azure import deployments
from workbook.lab.state.records import Deployment
from workbook.lab.state.store import Store
from workbook.prices import registry

MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def client(lab: Server) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=lab.url, api_key=KEY, api_version="2025-03-01-preview", max_retries=0
    )


@pytest.fixture(scope="module")
def account(lab: Server) -> azure.Account:
    return azure.Account("sub", "group", "resource", KEY, management=lab.url)


@pytest.fixture(scope="module")
def job(client: openai.AzureOpenAI, lab: Server) -> Any:
    """A job sent as Azure's guide does: a file with a byte order mark, a short suffix."""
    file = client.files.create(file=("train.jsonl", MARK + rows(12).encode()), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model="tiny",
        training_file=file.id,
        suffix="marv",
        metadata={"note": "ft:tiny:lab:marv:12345678"},
        extra_body={"trainingType": "developerTier"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    )
    lab.finished(job.id, 120)
    job = client.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "succeeded", job.error
    return job


def ask(client: openai.OpenAI, model: str, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=ASK, max_tokens=3, **more)


def test_a_tuned_model_has_azures_name_wherever_it_is_named(client, lab: Server, job) -> None:
    assert registry.base_of(job.fine_tuned_model) == ("azure/tiny", True)
    assert job.fine_tuned_model in {model.id for model in client.models.list()}
    assert client.models.retrieve(job.fine_tuned_model).id == job.fine_tuned_model
    [point] = client.fine_tuning.jobs.checkpoints.list(job.id)
    assert point.fine_tuned_model_checkpoint.startswith("tiny.ft-")
    messages = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
    assert any(job.fine_tuned_model in text for text in messages)
    assert not any("ft:" in text for text in messages)
    assert job.metadata == {"note": "ft:tiny:lab:marv:12345678"}  # a client's words stay
    assert lab.client().fine_tuning.jobs.retrieve(job.id).fine_tuned_model.startswith("ft:tiny:")


def test_it_answers_once_deployed_by_the_deployments_name_and_no_more_when_that_is_gone(
    client, lab: Server, account: azure.Account, job
) -> None:
    plain = openai.OpenAI(base_url=f"{lab.url}/openai/v1/", api_key=KEY, max_retries=0)
    for name in (job.fine_tuned_model, "marv"):
        with pytest.raises(openai.NotFoundError) as refusal:
            ask(client, name)
        assert refusal.value.code == "DeploymentNotFound"
    with azure.deployed(account, "marv", job.fine_tuned_model, agreed=True) as name:
        for each in (client, plain):  # the model in the path, or in the body
            answer = ask(each, name)
            assert answer.model == job.fine_tuned_model and answer.choices[0].message.content
        pieces = list(ask(plain, name, stream=True))
        assert pieces[-1].choices[0].finish_reason and pieces[0].model == job.fine_tuned_model
        reply = plain.responses.create(model=name, input="Hi", max_output_tokens=16)
        assert reply.model == job.fine_tuned_model
        assert [each["name"] for each in account.list()] == ["marv"]
    assert account.list() == []
    with pytest.raises(openai.NotFoundError):
        ask(plain, "marv")
    assert ask(client, "tiny").choices  # the base needs no deployment here


def test_a_deployment_goes_even_where_its_use_fails(account: azure.Account, job) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        azure.deployed(account, "marv", job.fine_tuned_model, agreed=True),
    ):
        raise ZeroDivisionError
    assert account.list() == []


def test_an_account_at_azure_is_read_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "sub")
    monkeypatch.delenv("AZURE_RESOURCE_GROUP", raising=False)
    monkeypatch.delenv("AZURE_MANAGEMENT_TOKEN", raising=False)
    endpoint = "https://shop.openai.azure.com/openai/v1/"
    names = "needs AZURE_RESOURCE_GROUP, AZURE_MANAGEMENT_TOKEN"
    with pytest.raises(WorkbookError, match=names):
        azure.Account.of_environment(endpoint)
    monkeypatch.setenv("AZURE_RESOURCE_GROUP", "g")
    monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", "secret")
    account = azure.Account.of_environment(endpoint)
    assert account.is_billed and "secret" not in repr(account)
    assert account.url("marv").startswith(f"{azure.MANAGEMENT}/subscriptions/sub/resourceGroups/g/")
    assert "/accounts/shop/deployments/marv?" in account.url("marv")


def test_nothing_is_deployed_that_nobody_has_agreed_to(account: azure.Account, job) -> None:
    with (
        pytest.raises(WorkbookError, match="hour"),
        azure.deployed(account, "marv", job.fine_tuned_model),
    ):
        pass
    assert account.list() == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"suffix": "x" * 19}, "suffix"),
        ({"suffix": "a.b"}, "suffix"),
        ({"extra_body": {"trainingType": "Cheap"}}, "trainingType"),
    ],
)
def test_azures_rules_for_jobs_hold_there_and_not_under_v1(
    client, lab: Server, change: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.fine_tuning.jobs.create(model="tiny", training_file="file-none", **change)
    assert refusal.value.param == param
    with pytest.raises(openai.BadRequestError) as refusal:
        lab.client().fine_tuning.jobs.create(model="tiny", training_file="file-none", **change)
    assert (refusal.value.param == param) == (param == "trainingType")


def call(lab: Server, method: str, query: str, body: Any = None) -> tuple[int, Any]:
    path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{lab.url}{path}/deployments/{query}", data, method=method)
    request.add_header("Authorization", f"Bearer {KEY}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]["code"]


MODEL = {"format": "OpenAI", "name": "tiny", "version": "1"}
SKU = {"name": "DeveloperTier", "capacity": 1}
VERSION = "?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("m", {"sku": SKU, "properties": {"model": MODEL}}, 400, "MissingApiVersionParameter"),
        (f"mm{VERSION}", {}, 400, "InvalidRequestContent"),
        (f"mm{VERSION}", [], 400, "InvalidRequestContent"),
        (f"m{VERSION}", {"sku": SKU, "properties": {"model": MODEL}}, 400, "InvalidResourceName"),
        (
            f"mm{VERSION}",
            {"sku": SKU | {"name": "Free"}, "properties": {"model": MODEL}},
            400,
            "InvalidResourceProperties",
        ),
        (
            f"mm{VERSION}",
            {"sku": SKU | {"capacity": True}, "properties": {"model": MODEL}},
            400,
            "InvalidCapacity",
        ),
        (
            f"mm{VERSION}",
            {"sku": SKU, "properties": {"model": MODEL | {"name": "tiny.ft-00"}}},
            400,
            "DeploymentModelNotSupported",
        ),
    ],
)
def test_what_is_wrong_with_a_deployment_is_named(lab: Server, query, body, status, code) -> None:
    assert call(lab, "PUT", query, body) == (status, code)


def test_a_deployment_is_created_replaced_read_and_deleted(lab: Server) -> None:
    body = {"sku": SKU, "properties": {"model": MODEL}}
    assert call(lab, "GET", f"mm{VERSION}") == (404, "DeploymentNotFound")
    status, made = call(lab, "PUT", f"mm{VERSION}", body)
    assert status == 201 and made["id"].endswith("/accounts/a/deployments/mm")
    assert call(lab, "PUT", f"mm{VERSION}", body | {"sku": SKU | {"capacity": 7}})[0] == 200
    assert call(lab, "GET", f"mm{VERSION}")[1]["sku"]["capacity"] == 7
    assert call(lab, "DELETE", f"mm{VERSION}") == (200, None)
    assert call(lab, "DELETE", f"mm{VERSION}") == (204, None)


def test_a_developers_deployment_ends_after_a_day(tmp_path, monkeypatch) -> None:
    lab: Any = SimpleNamespace(store=Store(tmp_path / "state"), model="tiny")
    kept = deployments.Deployments(lab)
    kept.put(Deployment("dev", lab.model, "developerTier", 1, 1000))
    kept.put(Deployment("paid", lab.model, "Standard", 1, 1000))
    monkeypatch.setattr(deployments, "now", lambda: 1000 + 24 * 3600 - 1)
    assert [each.id for each in kept.all()] == ["dev", "paid"]
    monkeypatch.setattr(deployments, "now", lambda: 1000 + 24 * 3600)
    assert [each.id for each in kept.all()] == ["paid"]
    lab.store.close()
