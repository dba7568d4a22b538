"""Nothing that was read is missing from what is written unless it was named, over all formats; and
what is written passes a check."""

import json

import pytest
from foreign_rows import FORMS, leaves, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training_rows import chat, jsonl, numbered, put

from workbook import cli, doctor, paths
from workbook.doctor.forms.recognition import recognised
from workbook.doctor.losses import Losses
from workbook.rows.validator import format_of

EXTRA = st.dictionaries(
    st.sampled_from(["id", "source", "score", "reasoning_content", "note", "topic", "Input"]),
    st.sampled_from(["text", "list", "object"]),
    max_size=2,
)


def with_extras(row: dict, extras: dict, word, inside: dict) -> dict:
    """The row with keys that no form knows, and with some in its first turn."""
    values = {
        "text": word,
        "list": lambda: [word(), word()],
        "object": lambda: {"deep": {"deeper": word()}},
    }
    row = {**row, **{key: values[kind]() for key, kind in extras.items() if key not in row}}
    for key in ("messages", "conversations", "contents"):
        turns = row.get(key)
        if isinstance(turns, list) and turns and inside:
            more = {name: values[kind]() for name, kind in inside.items()}
            row[key] = [{**turns[0], **more}, *turns[1:]]
    return row


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(FORMS)), EXTRA, EXTRA, st.randoms(use_true_random=False))
def test_every_word_of_a_row_is_in_what_it_becomes_or_its_key_is_named(name, extras, inside, dice):
    kind, build = FORMS[name]
    row = with_extras(build(word := words()), extras, word, inside)
    items = list(row.items())
    dice.shuffle(items)
    row = dict(items)
    read, problems = recognised(row)
    assert format_of(read) == kind, problems
    said = {piece for _, piece in leaves(read)}
    assert [pair for pair in leaves(row) if pair[1] not in said] == []
    for to in doctor.FORMATS:
        losses = Losses()
        try:
            result = doctor.convert(row, to, losses)
        except doctor.ConversionError:
            continue
        written = {piece for _, piece in leaves(result)}
        for key, piece in leaves(read):
            if piece not in written:
                assert is_named(read, piece, losses), (name, to, key, piece, dict(losses))
        errors = doctor.check([result], host=to if to in ("azure", "vertex") else None).findings
        assert not [f for f in errors if f.severity == "error" and f.code != "too-few"], result


def is_named(row: dict, piece: str, losses: Losses) -> bool:
    """Whether one of the keys under which a word stands is named among what was lost."""

    def keys_to(value, path=()):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from keys_to(item, (*path, key))
        elif isinstance(value, list):
            for item in value:
                yield from keys_to(item, path)
        elif isinstance(value, str) and piece in value:
            yield path

    named = " ".join(losses)
    return all(
        any(f"`{key}`" in named for key in path)
        or ("non_preferred_output" in path and "not preferred" in named)
        for path in keys_to(row)
    )


ROWS = 12
CONTAINERS = ("jsonl", "json", "wrapped", "spread", "python", "csv", "parquet")


def contain(folder, rows: list[dict], container: str):
    """The rows in a file of some kind."""
    texts = [
        {k: v if isinstance(v, str) or v is None else json.dumps(v) for k, v in row.items()}
        for row in rows
    ]
    if container == "parquet":
        import polars

        polars.DataFrame(texts).write_parquet(folder / "a.parquet")
        return folder / "a.parquet"
    if container == "csv":
        import pandas

        pandas.DataFrame(texts).to_csv(folder / "a.csv", index=False)
        return folder / "a.csv"
    content = {
        "jsonl": jsonl(rows),
        "json": json.dumps(rows),
        "wrapped": json.dumps({"data": rows}, indent=1),
        "spread": "\n".join(json.dumps(row, indent=2) for row in rows),
        "python": "".join(f"{row!r}\n" for row in rows),
    }[container]
    return put(folder, content, f"a.{'json' if container in ('json', 'wrapped') else 'jsonl'}")


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_form_is_read_alike_whatever_file_it_came_in(tmp_path, container: str) -> None:
    for _, build in FORMS.values():
        word = words()
        rows = [build(word) for _ in range(ROWS)]
        expected = [recognised(row)[0] for row in rows]
        assert doctor.read(contain(tmp_path, rows, container)) == expected
        assert list(doctor.check(rows).fix().rows) == expected


@pytest.mark.parametrize(
    "form", ["sharegpt-calls", "alpaca", "vertex-snake", "ultrafeedback", "hh"]
)
@pytest.mark.parametrize("container", ["jsonl", "csv"])
def test_prepare_writes_every_word_and_what_it_writes_passes(
    home, tmp_path, capsys, form: str, container: str
) -> None:
    word = words()
    rows = [FORMS[form][1](word) for _ in range(ROWS)]
    path = contain(tmp_path, rows, container)
    assert cli.main(["prepare", str(path), "--yes"]) == 0
    capsys.readouterr()
    [written] = paths.work().glob("*.jsonl")
    assert doctor.check(written).ok
    said = {piece for _, piece in leaves(doctor.read(written))}
    assert {piece for _, piece in leaves(rows)} <= said


@pytest.mark.parametrize("command", ["prepare", "convert"])
def test_what_is_lost_is_named_and_costs_the_exit_status_unless_agreed(
    home, tmp_path, capsys, command: str
) -> None:
    rows = [row | {"author": "ana", "page": n} for n, row in enumerate(numbered(12), start=7)]
    rows[3]["messages"][2]["reasoning_content"] = "Hm."
    path = put(tmp_path, rows)
    arguments = [command, str(path), "--to", "chat"]
    assert cli.main(arguments) == 1
    out = capsys.readouterr().out
    assert "lost: `author` (12 ×, first on line 1)" in out
    assert "lost: `reasoning_content` of messages (1 ×, first on line 4)" in out
    assert "--drop all or --drop author or --drop page or --drop reasoning_content" in out
    assert cli.main([*arguments, "--drop", "author"]) == 1
    agreed = ["--drop", "author", "--drop", "page", "--drop", "reasoning_content"]
    assert cli.main([*arguments, *agreed]) == 0
    assert cli.main([*arguments, "--drop", "all"]) == 0
    assert cli.main([*arguments, "--fix", "unknown-key"]) == 0
    assert "lost: `author` (12 ×, first on line 1)" in capsys.readouterr().out


def test_whoever_reads_or_converts_in_python_is_warned(tmp_path) -> None:
    path = put(tmp_path, json.dumps({"data": numbered(3), "licence": "none"}), "a.json")
    with pytest.warns(doctor.DataLossWarning, match="lost: `licence`"):
        assert doctor.read(path) == numbered(3)
    with pytest.warns(doctor.DataLossWarning, match=r"lost: `id` \(1 ×\)"):
        doctor.convert(chat() | {"id": 7}, "azure")
    twice = put(tmp_path, '{"prompt": "a", "prompt": "b", "completion": "c"}\n', "b.jsonl")
    with pytest.warns(doctor.DataLossWarning, match="first value of `prompt`"):
        doctor.read(twice)


@pytest.mark.parametrize("to", [to for to in doctor.FORMATS if to != "dpo"])
def test_an_answer_that_was_marked_as_bad_is_never_learned(home, tmp_path, capsys, to: str) -> None:
    rows = [
        {"prompt": f"Where is {n}?", "completion": f"answer {n}", "label": n % 2 == 0}
        for n in range(24)
    ]
    rows[0] = {"messages": chat("Where is 0?", "answer 0")["messages"], "kto_tag": True}
    path = put(tmp_path, rows)
    assert "judged" in doctor.check(path).codes
    assert cli.main(["convert", str(path), "--to", to]) == 1
    assert "left out: 12 examples (first line 2)" in capsys.readouterr().out
    [written] = paths.work().glob("*.jsonl")
    content = written.read_text("utf-8-sig")
    assert "answer 22" in content and 'answer 1"' not in content and "label" not in content
    kept = doctor.check(rows).fix("unknown-key").rows
    assert kept[1]["label"] is False, "without its mark it would look like any other"
    assert len(doctor.check(rows).fix("judged").rows) == 12


def test_nothing_is_written_that_a_check_would_refuse(home, tmp_path, capsys) -> None:
    rows = [*numbered(20), {"messages": chat()["messages"][:2]}, chat("half \ud800")]
    path = put(tmp_path, rows)
    for arguments in (["prepare", "--yes"], *(["convert", "--to", to] for to in ("chat", "azure"))):
        assert cli.main([arguments[0], str(path), *arguments[1:]]) == 1
        out, err = capsys.readouterr()
        assert "21: error[no-assistant]" in out and "22: error[broken-character]" in out
        assert "nothing was written" in err
    assert not list(paths.work().glob("*"))
    fixes = ["--fix", "last-turn", "--fix", "broken-character"]
    assert cli.main(["convert", str(path), "--to", "chat", *fixes]) == 0
