"""What is known beforehand: who may train, what stops a file, what settings mean, the request."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbook import hosts
from workbook.cli.preflight import preflight as command
from workbook.doctor import profiles
from workbook.errors import WorkbookError

NOW, LATER = date(2026, 11, 26), date(2027, 2, 1)


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {n} plus {n}?"},
                {"role": "assistant", "content": f"It is {2 * n}."},
            ]
        }
        for n in range(12)
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def told(file: Path, host: str, model: str | None = None, day: date = NOW, **settings) -> str:
    lines = hosts.preflight(file, host, model, hosts.Settings(**settings), day)
    return "\n".join(f"{line.level} {line.about}: {line.text}" for line in lines)


def test_every_host_has_what_a_job_needs_and_rules_that_the_doctor_knows() -> None:
    for host in hosts.contracts().values():
        assert host.base_url.startswith("http") and host.url.startswith("https://")
        assert host.confidence in ("A", "B", "C")
        assert host.profile is None or profiles.profile(host.profile)
        assert host.learning_rate in ("factor", "rate")


def test_the_ends_of_fine_tuning_come_in_their_order_with_their_sources() -> None:
    ends = hosts.ends()
    assert [end.day for end in ends] == sorted(end.day for end in ends)
    assert {"OpenAI", "Mistral", "Cohere", "NVIDIA"} <= {end.vendor for end in ends}
    assert all(end.url.startswith("https://") and end.confidence in "ABC" for end in ends)


def test_who_may_train_depends_on_the_day_and_on_the_customer(chats) -> None:
    assert "stop model: gpt-4.1-mini" in told(chats, "openai", "gpt-4.1-mini")
    open_to = told(chats, "openai", "gpt-4.1-mini", existing_customer=True)
    assert "stop" not in open_to and "$" in open_to
    after = told(chats, "openai", "gpt-4.1-mini", LATER, existing_customer=True)
    assert "stop who: OpenAI trains nothing for anybody from 2027-01-06 on." in after
    assert "stop" not in told(chats, "lab", "smollm2-135m-instruct", LATER)


@pytest.mark.parametrize(
    ("host", "settings", "words"),
    [
        ("azure", {"suffix": "x" * 19}, "stop settings: The suffix has 19 characters, not 1 to 18"),
        ("azure", {"suffix": "a.b"}, "stop settings: The suffix may not hold '.'"),
        ("bedrock", {"suffix": "mine"}, "stop settings: Amazon Bedrock has no suffix"),
        ("openai", {"n_epochs": 51}, "stop settings: n_epochs is 51, not 1 to 50."),
        ("openai", {"learning_rate_multiplier": 0.0}, "it must be above 0"),
        ("nebius", {"learning_rate_multiplier": 2.0}, "look settings: Nebius Token Factory takes"),
        ("nebius", {"learning_rate_multiplier": 2.0}, "2 is sent as 4e-05"),
        ("nebius", {"learning_rate_multiplier": 1e-5}, "1e-05 is sent as 1e-05"),
        ("fireworks", {"learning_rate_multiplier": 2.0}, "stop settings: Fireworks takes"),
        ("vertex", {"region": "us-east1"}, "stop region: Tuning is not offered in us-east1"),
        ("vertex", {"n_epochs": 3}, "n_epochs is called epoch_count there"),
    ],
)
def test_settings_mean_what_the_host_makes_of_them(chats, host, settings, words) -> None:
    assert words in told(chats, host, None, **settings)


def test_a_file_of_another_hosts_kind_is_stopped_with_the_way_on(chats) -> None:
    assert "stop method: The rows are for supervised" in told(chats, "bedrock")
    assert f"workbook check {chats} --for vertex" in told(chats, "vertex", "gemini-3.5-flash")
    assert "rules for files are not known here" in told(chats, "fireworks")
    with pytest.raises(WorkbookError, match="There are: openai, azure"):
        told(chats, "mistral")


def test_what_comes_after_the_job_is_told(chats) -> None:
    azure = told(chats, "azure", "gpt-4o-mini", existing_customer=True)
    assert "must be deployed" in azure and "an hour" in azure
    assert "service agent" in told(chats, "vertex", "gemini-3.5-flash")


@pytest.mark.parametrize(
    ("host", "model", "parts"),
    [
        (
            "openai",
            "gpt-4.1-mini",
            [
                "POST https://api.openai.com/v1/files",
                "POST https://api.openai.com/v1/fine_tuning/jobs",
                "authorization: Bearer $OPENAI_API_KEY",
                '"learning_rate_multiplier": 2.0',
            ],
        ),
        ("azure", "gpt-4o-mini", ["opens with a byte order mark", '"trainingType": "Standard"']),
        ("nebius", "meta-llama/Llama-3.1-8B", ['"learning_rate_multiplier": 4e-05']),
        (
            "bedrock",
            "qwen.qwen3-32b",
            ['"model": "qwen.qwen3-32b-v1:0"', '"type": "lambda"', "bedrock-mantle"],
        ),
    ],
)
def test_the_request_is_the_one_that_the_real_client_sends(chats, host, model, parts) -> None:
    settings = hosts.Settings(n_epochs=2, learning_rate_multiplier=2.0)
    method = "reinforcement" if host == "bedrock" else "supervised"
    text = "\n\n".join(hosts.dry_run(chats, host, model, settings, method))
    assert all(part in text for part in parts), text
    assert "127.0.0.1" not in text and "Bearer KEY" not in text


def test_a_host_with_a_client_of_its_own_is_described(chats) -> None:
    with pytest.raises(WorkbookError, match=r"fine_tuning\.create"):
        hosts.dry_run(chats, "together", "x", hosts.Settings(), "supervised")


@pytest.mark.full
def test_googles_own_client_makes_the_request_for_vertex(chats, package) -> None:
    package("google.genai")
    settings = hosts.Settings(n_epochs=2, suffix="marv")
    [request] = hosts.dry_run(chats, "vertex", "gemini-3.5-flash", settings, "supervised")
    assert "/projects/PROJECT/locations/us-central1/tuningJobs" in request
    assert "gs://BUCKET/chats.jsonl" in request and '"epochCount": 2' in request


def test_the_command_says_it_in_lines_or_json_and_in_its_exit_status(chats) -> None:
    run = CliRunner().invoke
    fine = run(
        command,
        [str(chats), "--host", "lab", "--model", "smollm2-135m-instruct"],
        standalone_mode=False,
    )
    assert fine.return_value == 0 and "ok   price    Nothing" in fine.output
    stopped = run(command, [str(chats), "--host", "bedrock", "--json"], standalone_mode=False)
    assert stopped.return_value == 1
    lines = json.loads(stopped.output)["lines"]
    assert {"level": "stop", "about": "method"}.items() <= next(
        line for line in lines if line["about"] == "method"
    ).items()
