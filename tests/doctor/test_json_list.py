"""A JSON list, or one object over several lines, is read element by element, as far as it goes."""

import json

from training_rows import jsonl, pair, put, turns

from workbook import doctor
from workbook.doctor.readers import json_list, source

CHAT = turns(("user", "Where?"), ("assistant", "There."))
ROWS = [pair("¿Dónde vive la nutria?", "En el río,\ncon su familia."), pair("Who?", "Nobody; yet.")]


def test_a_json_list_is_read_as_far_as_it_goes(tmp_path, monkeypatch) -> None:
    # Elements lie across the pieces that are read.
    monkeypatch.setattr(json_list, "_PIECE", 7)
    for module in (json_list, source):
        monkeypatch.setattr(module, "SAMPLE", 300)
    text = json.dumps([CHAT, *ROWS, {"prompt": "\ud83d", "completion": "9" * 30}], indent=1)
    assert doctor.read(put(tmp_path, text, "a.json")) == json.loads(text)
    assert doctor.read(put(tmp_path, json.dumps({"rows": ROWS}), "b.json")) == ROWS
    broken = doctor.check(put(tmp_path, text[:-40], "c.json"))
    assert [f.line for f in broken.findings if f.code == "not-json"] == [4]
    for bad, words in (
        ('[{"prompt": "a"} {"prompt": "b"}]', "comma"),
        ('[{"prompt": NaN}]', "NaN"),
        ('[{"prompt": 1,}]', "not JSON"),
        ('[{"prompt": "a"}, ' + "[" * 100_000, ""),
    ):
        findings = [
            finding
            for finding in doctor.check(put(tmp_path, bad, "d.json")).findings
            if finding.code == "not-json"
        ]
        assert len(findings) == 1 and words in findings[0].message
    repeated = '[{"prompt": "", "prompt": "", "completion": ""}]'
    assert "repeated-key" in doctor.check(put(tmp_path, repeated, "e.json")).codes


def test_one_object_over_several_lines(tmp_path) -> None:
    assert doctor.read(put(tmp_path, json.dumps(CHAT, indent=2), "a.json")) == [CHAT]
    lines = jsonl([{"rows": [CHAT]}, {"rows": [CHAT]}])
    assert len(doctor.read(put(tmp_path, lines, "b.jsonl"))) == 2
