"""Codes of what can be wrong with a file as a whole, with its lines, and with the job it is for."""

from workbook.doctor.codes.code import Code
from workbook.doctor.limits import ADVISED_EXAMPLES
from workbook.rows.rules import MIN_EXAMPLES

FILE_CODES = {
    "file-name": Code(
        "warning", "OpenAI takes training files by the name .jsonl only.", "Rename the file."
    ),
    "too-large": Code(
        "error",
        "Every host takes files up to a size of its own (OpenAI: 512 MB).",
        "Divide the file, or choose fewer examples.",
    ),
    "bom": Code(
        "note",
        "Three invisible bytes open the file. Azure asks for them, OpenAI doesn't.",
        "Save as UTF-8 without BOM, except for Azure. doctor.write does.",
    ),
    "no-bom": Code(
        "note",
        "Azure asks for the three bytes that say UTF-8.",
        "`workbook convert FILE --to azure` writes them.",
    ),
    "bom-inside": Code(
        "error",
        "Three invisible bytes before an object: files were joined that each began with them.",
        "`report.fix()` takes them away.",
        once=True,
    ),
    "line-ends": Code(
        "error",
        "Lines of JSONL end with LF; these end with CR, as on Macs before 2001.",
        "`report.fix()` writes LF.",
    ),
    "not-utf8": Code("error", "The service reads UTF-8 only.", "Save the file as UTF-8."),
    "blank-line": Code(
        "warning",
        "JSONL has one example on every line; some services refuse this.",
        "Delete the empty line.",
    ),
    "not-json": Code(
        "error",
        "A line that can't be read stops the whole job.",
        "One object a line: double quotes, no comma at the end, no break inside.",
    ),
    "comma": Code(
        "error",
        "In JSON no comma follows the last item, and in JSONL none the object on its line.",
        "`report.fix()` takes it away.",
        once=True,
    ),
    "stray-sign": Code(
        "error",
        "A line of JSONL holds one object, and around it nothing but blanks.",
        "`report.fix()` takes the sign away.",
        once=True,
    ),
    "python": Code(
        "error",
        "What Python prints is no JSON: no service reads it.",
        "`report.fix()` writes JSON; in Python, json.dumps(row) does.",
        once=True,
    ),
    "json-escape": Code(
        "error",
        "In a text of JSON line breaks and tabs are escaped (\\n, \\t), and single quotes are not.",
        "`report.fix()` writes it so.",
        once=True,
    ),
    "json-in-text": Code(
        "error",
        "Written twice, a list or an object arrives as text.",
        "`report.fix()` writes it once.",
        once=True,
    ),
    "json-spread": Code(
        "error",
        "JSONL has one object a line, without a break inside.",
        "`report.fix()` writes each on a line.",
    ),
    "json-list": Code(
        "error",
        "JSONL is not a JSON list: each line is an object of its own.",
        "Write the elements one a line; doctor.write does.",
    ),
    "encoding": Code(
        "error",
        "The service reads UTF-8 only; this file is in something else, which was recognised.",
        "`report.fix()` writes UTF-8.",
    ),
    "compressed": Code(
        "error",
        "Training files are uploaded as they are, not compressed.",
        "Unpack the file, or let `report.fix()` write it.",
    ),
    "not-jsonl": Code(
        "error",
        "Training files are JSONL, whatever the data came in.",
        "`workbook prepare` converts it.",
    ),
    "file-kind": Code(
        "error",
        "Nothing can be read as examples from a file of this kind.",
        "Save the data as JSONL, JSON, CSV or XLSX.",
    ),
    "wrong-name": Code(
        "warning", "What is in the file is not what its name says.", "Rename the file."
    ),
    "long-line": Code(
        "error",
        "The lab reads lines of up to 4 MiB; a longer one than 160 MiB is not read at all.",
        "Divide the example.",
    ),
    "sheets": Code(
        "warning", "Of a workbook only the first sheet is read.", "Put the examples on one sheet."
    ),
    "heading": Code(
        "error",
        "The first row of a table names its columns, each by a name of its own.",
        "Add or correct the headings, or name the columns: --columns prompt=1,completion=2.",
    ),
    "quote": Code(
        "error",
        "Until the quote is closed, the rows that follow would belong to this cell.",
        "Close the quote, or write a quote inside a cell twice.",
    ),
    "formula": Code(
        "error",
        "There is a formula in the cell, and no result that could be learned.",
        "Open the workbook, let it calculate, and store values; or correct the cell.",
    ),
    "merged": Code(
        "warning", "Of merged cells only the first has a value.", "Unmerge them, and fill each."
    ),
    "cells": Code(
        "error",
        "A cell that could not be read as what it should be is lost or cut.",
        "Correct it in the source: a text that holds a comma stands in quotes.",
        explains=("messages", "tools", "dpo"),
    ),
    "lost-value": Code(
        "warning",
        "Something could not be read as what it should be.",
        "Correct it in the source.",
    ),
    "app-language": Code(
        "warning",
        "What the app wrote is learned as if somebody had said it.",
        "Delete such lines from the export, or export it again with the app in English.",
    ),
    "speakers": Code(
        "note",
        "The model learns to write as this person does.",
        "Choose somebody else with `assistant=`, on the command line `--assistant`.",
    ),
    "lost": Code(
        "warning",
        "It stands in the file, and no example has a place for it.",
        "Nothing, if it is not needed; `prepare --drop all` says so.",
        once=True,
    ),
    "repeated-key": Code(
        "warning", "Of two values with one key, only the last is read.", "Delete one of them."
    ),
    "empty-file": Code("error", "There is nothing to learn from.", "Add examples."),
    "too-few": Code(
        "error",
        f"Most hosts ask for at least {MIN_EXAMPLES} examples, some for more.",
        "Add examples.",
    ),
    "too-many": Code("error", "Hosts limit the number of examples.", "Choose the best of them."),
    "model-format": Code(
        "error",
        "Each model and host learns from rows of its own formats.",
        "Convert the file, or choose another model or host.",
    ),
    "model-method": Code(
        "error",
        "The rows are for a method that this model can't be tuned by.",
        "Convert the file, or choose another model.",
    ),
    "reinforcement": Code(
        "note",
        "Here the model learns from what a grader says of its own answers.",
        "Send the job with `method` reinforcement, to a host that has it.",
    ),
    "few": Code(
        "note",
        f"{ADVISED_EXAMPLES} good examples are the advised start.",
        "Add examples if you have them.",
    ),
}
JOB_CODES = {
    "suffix": Code(
        "error", "A suffix has 1 to 64 characters (Azure: 18, and no dot).", "Choose a shorter one."
    ),
    "metadata": Code(
        "error",
        "Metadata holds up to 16 texts of 512 characters, under names of up to 64.",
        "Shorten it.",
    ),
    "model-closed": Code(
        "error",
        "The model takes no new training jobs on that day.",
        "Choose another: `registry.tunable()` lists them, and so does `workbook prices`.",
    ),
}
