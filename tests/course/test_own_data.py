"""The course's own data sets: balanced, without doubles, and apart where they must be apart."""

import json
import re
from collections import Counter

from solutions import nb08

from workbook import doctor, paths
from workbook.evals import examples, graders


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in paths.data(name).read_text("utf-8").splitlines()]


def questions(name: str) -> list[str]:
    return [row["messages"][-2]["content"].casefold() for row in rows(name)]


def test_every_general_question_takes_its_own_answer_and_gives_none_away() -> None:
    general = rows("general.jsonl")
    asked = examples.from_rows(general)
    assert len(general) >= 150 and len(set(questions("general.jsonl"))) == len(general)
    for row, example in zip(general, asked, strict=True):
        assert row["messages"][-1]["content"] in row["accept"]
        assert graders.contains(f"It is {example.label}.", example) == 1
        assert graders.contains(row["messages"][0]["content"], example) == 0, (
            "named in the question"
        )


def test_marv_has_eighty_rows_to_learn_and_is_never_asked_what_he_learned() -> None:
    learned = questions("marv_train.jsonl") + questions("marv_more.jsonl")
    assert len(learned) == len(set(learned)) == 80
    tone = [row["question"].casefold() for row in rows("tone.jsonl")]
    for others in (questions("marv_test.jsonl"), questions("general.jsonl"), tone):
        assert not set(learned) & set(others)
    assert not set(tone) & set(questions("marv_test.jsonl"))


def test_the_two_tones_of_an_answer_share_its_form() -> None:
    pairs = rows("tone.jsonl")
    assert len({row["question"] for row in pairs}) == len(pairs) >= 60
    words = {tone: sum(len(row[tone].split()) for row in pairs) for tone in ("plain", "sarcastic")}
    assert 0.75 < words["plain"] / words["sarcastic"] < 1.25


def test_spanish_and_portuguese_reviews_are_balanced() -> None:
    reviews = rows("reviews_es_pt.jsonl")
    assert len({row["text"] for row in reviews}) == len({row["id"] for row in reviews}) >= 150
    counts = Counter((row["language"], row["stars"]) for row in reviews)
    assert len(counts) == 10 and len(set(counts.values())) == 1


def test_the_tenants_messages_are_spread_over_six_departments_and_damaged_on_purpose() -> None:
    raw = doctor.read(
        paths.data("tenant_messages.csv"), columns={"prompt": "message", "completion": "department"}
    )
    counts = Counter(row["completion"] for row in raw)
    assert len(raw) >= 250 and len(counts) == 6 and min(counts.values()) >= 40
    chats = [
        {
            "messages": [
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": row["completion"]},
            ]
        }
        for row in raw
    ]
    found = Counter(doctor.check(chats).codes)
    assert found["duplicate"] == 3 and found["contradiction"] == 2 and found["personal-data"] == 3
    named = [row for row in raw if re.search(rf"\b{row['completion']}\b", row["prompt"].lower())]
    assert len(named) <= 1, "the answer stands in the question"


def test_two_voices_answer_in_the_plant_shops_chat() -> None:
    texts = {}
    for name in ("Nora Lindgren", "Marek Dvorak"):
        chats = doctor.read(paths.data("plant_chat.txt"), assistant=name)
        texts[name] = [m["content"] for c in chats for m in c["messages"] if m["role"] != "user"]
        assert len(set(texts[name])) == len(texts[name]) >= 40
        masked = str(chats)
        assert "[phone]" in masked or name == "Marek Dvorak"
        assert "@example.com" not in masked
    hers, his = texts.values()
    assert len(hers) >= 110
    assert sum("!" in text for text in hers) == 0 and sum("!" in text for text in his) > 30


def test_sentences_of_two_words_keep_their_rule_and_the_exam_has_words_of_its_own() -> None:
    pairs = rows("two_words.jsonl")
    splits = Counter(row["split"] for row in pairs)
    assert splits == {"start": 16, "train": 64, "validation": 20, "test": 60}
    assert len({row["id"] for row in pairs}) == len({frozenset(row["words"]) for row in pairs})
    used: dict[str, set[str]] = {}
    for row in pairs:
        used.setdefault(row["split"], set()).update(row["words"])
        assert ("sentence" in row) == (row["split"] in ("start", "train"))
        if "sentence" in row:
            assert nb08.grade({"output_text": row["sentence"]}, row) == 1, row
    assert not (used["start"] | used["train"]) & (used["validation"] | used["test"])
    assert not used["validation"] & used["test"]
