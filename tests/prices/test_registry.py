"""The registry: every figure has a source and a date, names resolve, what is gone is refused."""

import itertools
import json
import re
from datetime import date, timedelta

import pytest

from workbook import paths
from workbook.prices import registry

REGISTRY = json.loads(paths.data("models.json").read_text(encoding="utf-8"))


def facts(value, path=""):
    """Every dictionary below `value` that states a figure, with its place."""
    if isinstance(value, dict):
        if any(key in value for key in ("value", "usd", "methods", "text")) or "from" in value:
            yield path, value
        for key, item in value.items():
            yield from facts(item, f"{path}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from facts(item, f"{path}/{number}")


FACTS = list(facts({k: REGISTRY[k] for k in ("models", "notices", "encodings_by_prefix")}))


def problems(fact):
    """What is wrong with one figure of the registry."""
    faults = []
    if fact.get("source") not in REGISTRY["sources"]:
        faults.append("no known source")
    if fact.get("confidence") not in ("A", "B", "C"):
        faults.append("no confidence")
    try:
        date.fromisoformat(fact.get("checked", ""))
    except ValueError:
        faults.append("no date checked")
    if "usd" in fact and fact.get("unit") not in ("1M tokens", "1K tokens", "hour"):
        faults.append("no unit")
    return faults


def test_every_figure_has_source_date_unit_and_confidence():
    assert len(FACTS) > 150
    assert {path: problems(fact) for path, fact in FACTS if problems(fact)} == {}


@pytest.mark.parametrize("missing", ["source", "checked", "confidence", "unit"])
def test_a_row_without_one_of_them_is_refused(missing):
    row = dict(REGISTRY["models"][0]["prices"][0])
    assert problems(row) == []
    del row[missing]
    assert problems(row)


def overlaps(rows):
    """Pairs of price rows of one kind that hold on the same day."""
    pairs = []
    for kind in {kind for row in rows for kind in row["kinds"]}:
        days = sorted((r["from"], r["until"]) for r in rows if kind in r["kinds"])
        for (start, end), (following, _) in itertools.pairwise(days):
            assert end is None or start < end, f"{kind}: {start} to {end}"
            if end is None or following < end:
                pairs.append((kind, start, following))
    return pairs


def test_no_two_prices_hold_on_the_same_day():
    for model in REGISTRY["models"]:
        assert overlaps(model["prices"]) == [], model["id"]
    twice = [
        {"kinds": ["input"], "from": "2024-01-01", "until": "2024-06-01"},
        {"kinds": ["input"], "from": "2024-05-01", "until": None},
    ]
    assert overlaps(twice)


def test_no_two_promotions_hold_on_the_same_day():
    for model in REGISTRY["models"]:
        rows = [row | {"kinds": ["free"]} for row in model.get("promotions", [])]
        assert overlaps(rows) == [], model["id"]


def test_every_source_has_title_and_address():
    for key, source in REGISTRY["sources"].items():
        assert source["title"] and source["url"].startswith(("https://", "http://")), key


def test_every_name_is_unique():
    names = [n for m in REGISTRY["models"] for n in [m["id"], *m["aliases"]]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("ft:gpt-4.1-2025-04-14:school:stars:Ab1", "gpt-4.1-2025-04-14"),
        ("ft:gpt-4o-mini-2024-07-18:x::y:ckpt-step-88", "gpt-4o-mini-2024-07-18"),
        ("davinci:ft-school-2023-02-03-04-05-06", "davinci"),
        ("gpt-4.1-2025-04-14.ft-0a1b2c3d", "azure/gpt-4.1-2025-04-14"),
        ("ft:smollm2-135m-instruct:course:stars:1", "smollm2-135m-instruct"),
    ],
)
def test_names_of_tuned_models_lead_to_their_base(name, base):
    model = registry.get(name)
    assert (model.base_id, model.id, model.tuned) == (base, name, True)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(registry.UnknownModelError, match="gpt-4o-mini"):
        registry.get("gpt4o-mini")
    with pytest.raises(registry.UnknownModelError, match=r"registry\.names\(\)"):
        registry.get("nobody knows it")


def test_a_model_that_is_gone_is_refused_with_alternatives():
    with pytest.raises(registry.ModelGoneError, match=r"shut down on 2024-01-04.*the lab"):
        registry.get("davinci", as_of=date(2024, 1, 4))
    assert registry.get("davinci", as_of=date(2024, 1, 3)).id == "davinci"


def test_choosing_warns_ninety_days_ahead(capsys):
    close = registry.get("gpt-4o").tunable_until
    registry.choose("gpt-4o", close - timedelta(days=91), existing_customer=True)
    assert str(close) not in capsys.readouterr().out
    registry.choose("gpt-4o", close - timedelta(days=90), existing_customer=True)
    assert f"from {close}, in 90 days" in capsys.readouterr().out


def test_the_source_documents_models_were_tunable_in_their_time():
    assert [m.id for m in registry.legacy()] == ["ada", "babbage", "curie", "davinci"]
    then, today = date(2023, 9, 1), date(2026, 11, 21)
    tunable = {m.id for m in registry.tunable(then)}
    assert {"gpt-3.5-turbo-0613", "babbage-002", "davinci-002"} <= tunable
    for model in registry.legacy():
        assert model.id in tunable and not model.is_tunable(today, existing_customer=True)


def test_limits():
    limits = {m.id: m.max_example_tokens for m in registry.from_source_documents()}
    assert limits["gpt-3.5-turbo-0613"] == 4096
    assert limits["gpt-3.5-turbo-0125"] == 16385
    assert registry.lab().context_window == 8192
    assert registry.get("gpt-4.1").max_example_tokens == 65_536
    assert registry.get("gpt-4.1-nano").max_example_tokens == 32_768
    assert [m.max_example_tokens for m in registry.legacy()] == [2049] * 4
    assert registry.get("gpt-4.1").max_output_tokens == 32_768


def test_the_oldest_windows_are_sourced():
    windows = {m.id: m.context_window for m in registry.from_source_documents()}
    assert [windows[m.id] for m in registry.legacy()] == [2049] * 4
    assert windows["babbage-002"] == windows["davinci-002"] == 16_384
    for row in REGISTRY["models"][:8]:  # no page of OpenAI's of today names them any more
        assert row["context_window"]["source"] != "openai-model-pages", row["id"]
        assert row["context_window"]["confidence"] == "B"


@pytest.mark.parametrize("model", registry.from_source_documents(), ids=lambda model: model.id)
def test_each_source_documents_model_says_when_it_died_and_what_is_left(model):
    day = model.shutdown
    with pytest.raises(
        registry.ModelGoneError, match=f"shut down on {day}.*can tune on {day}: .*the lab"
    ):
        registry.choose(model.id, day, existing_customer=True)


@pytest.mark.parametrize("year", range(2022, 2027))
def test_any_day_since_2022_can_be_looked_at(year):
    day = date(year, 7, 3)
    vendors = {m.vendor for m in registry.tunable(day)}
    assert "OpenAI" in vendors or day >= date(2026, 5, 7)  # closed to newcomers on that day
    for model in registry.tunable(day, existing_customer=True):
        assert registry.get(model.id, as_of=day) == model


def test_sources_can_be_read():
    assert any("1 September 2022" in source for source in registry.get("ada").sources)


def code_lines(notebook):
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield from "".join(cell["source"]).splitlines()


NOTEBOOKS = sorted((paths.ROOT / "notebooks").glob("*.ipynb"))


KNOWN = {name for m in REGISTRY["models"] for name in [m["id"], *m["aliases"]]}


def written_ids(line):
    """The strings of a line of code that are a model's id, or a name tuned from it."""
    strings = re.findall(r"""["']([\w./:-]+)["']""", line)
    return [text for text in strings if {text, registry.base_of(text)[0]} & KNOWN]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.name[:2] for path in NOTEBOOKS])
def test_no_notebook_writes_a_models_id_into_a_code_cell(notebook):
    for line in code_lines(notebook):
        assert not written_ids(line), line


@pytest.mark.parametrize(
    "line",
    [
        'client.chat.completions.create(model="gpt-4o-mini")',
        "model = 'ft:gpt-4.1-2025-04-14:school::1'",
        'tokens.count(text, "davinci")',
        'registry.get("azure/gpt-4o-2024-08-06")',
    ],
)
def test_a_models_id_in_a_code_cell_is_refused(line):
    assert written_ids(line)


def test_a_word_that_is_also_a_models_name_may_be_written():
    assert not written_ids('print("ada and davinci were models", "my-gpt-4o")')


def test_confidence_a_is_given_to_primary_sources_only():
    secondary = {key for key, row in REGISTRY["sources"].items() if row.get("primary") is False}
    assert {"price-map", "log-2024-03"} <= secondary
    everything = {**REGISTRY, "sources": {}}
    claimed = [path for path, fact in facts(everything) if fact.get("confidence") == "A"]
    assert len(claimed) > 100
    wrong = [
        path
        for path, fact in facts(everything)
        if fact.get("confidence") == "A" and fact.get("source") in secondary
    ]
    assert wrong == []


def test_training_is_sold_until_its_last_day_and_no_longer():
    for model in registry.all_models():
        ends = [p.end for p in model.prices if "training" in p.kinds]
        if ends and model.tunable_until:
            assert max(end or date.max for end in ends) <= model.tunable_until, model.id
        for price in model.prices:
            last = model.tuned_shutdown if price.kinds[0].startswith("tuned") else None
            last = last or max(filter(None, (model.shutdown, model.tuned_shutdown)), default=None)
            assert last is None or (price.end and price.end <= last), (model.id, price.kinds)


def test_who_can_still_train_is_known_now_and_after_openai():
    for day in (date(2026, 11, 26), date(2027, 2, 1)):
        hosts = {host.label: host for host in registry.hosts(day)}
        assert {"Google Vertex AI", "Amazon Bedrock", "Together", "Fireworks", "Tinker"} <= set(
            hosts
        )
        assert ("OpenAI" in hosts) == (day < date(2027, 1, 6))
        for host in hosts.values():
            assert host.training_price and host.use_price and host.url.startswith("https://")
        newcomers = {model.label for model in registry.tunable(day)}
        assert {"Gemini 3.5 Flash", "Qwen3 8B on Tinker", "the lab"} <= newcomers
        assert registry.sold_by_the_token(day)
    known = set(registry.names()) | {a for row in REGISTRY["models"] for a in row["aliases"]}
    for host in registry.hosts():
        if host.id != "azure-open":  # of these only the names are known
            assert set(host.models) <= known, host.label


def test_the_methods_of_a_model_are_those_of_its_vendors_page():
    for name in ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "azure/gpt-4o"):
        assert registry.get(name).methods == ("supervised", "dpo")
    assert registry.lab().methods == ("supervised", "dpo", "reinforcement")
    assert registry.get("azure/gpt-4o-mini").methods == ("supervised",)
    assert registry.get("gpt-6-luna").methods == ()
    assert not registry.get("gpt-6-luna").is_tunable(date(2026, 11, 26), existing_customer=True)


def test_the_registry_says_how_old_it_is():
    last = registry.checked()
    assert registry.aging(last) == [
        f"The figures were checked on {last}, 0 days before this day ({last})."
    ]
    [early] = registry.aging(date(2025, 6, 1))
    assert "an earlier day" in early
    late = " ".join(registry.aging(date(2027, 2, 1)))
    assert "gpt-4o: since 2027-01-06 nobody can train it any more" in late
    assert "gpt-4o: since 2027-01-14 it is shut down" in late
    assert "Prices change more often" in late


def test_azure_suggests_what_costs_least_to_use(monkeypatch):
    day = date(2026, 11, 26)
    assert registry.suggested("OpenAI", day).label == "gpt-4o-mini"
    assert registry.suggested("Azure", day).id == "azure/gpt-4.1-nano-2025-04-14"
    assert registry.suggested("OpenAI", date(2027, 2, 1)).tunable_until == date(2027, 1, 6)
    assert registry.suggested("nobody", day) is None
