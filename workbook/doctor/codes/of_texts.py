"""Codes of what is said in an example and should perhaps not be."""

from workbook.doctor.codes.code import Code

TEXT_CODES = {
    "placeholder": Code(
        "warning",
        "The model learns to write the placeholder.",
        "Fill it in, or delete the example.",
    ),
    "placeholders": Code(
        "note",
        "In most rows it is no accident: a template that is filled in later, or a label.",
        "Nothing, if this is what you want; else fill them in.",
    ),
    "control-character": Code(
        "warning",
        "Invisible characters are tokens too, and mean nothing.",
        "`report.fix()` removes them.",
    ),
    "wrong-characters": Code(
        "warning",
        "The text was damaged before it came here, and the damage is learned.",
        "Read the source again in its right encoding.",
    ),
    "special-token": Code(
        "warning",
        "It looks like a turn's end to some services; others read it as plain characters.",
        "Delete it, or write it differently.",
    ),
    "personal-data": Code(
        "warning",
        "What is learned may be said to anybody.",
        '`report.fix("personal-data")` masks it.',
    ),
    "secret": Code(
        "warning",
        "A key in a training file is a key given away: replace it.",
        '`report.fix("secret")` masks it; then revoke the key.',
    ),
    "harmful-words": Code(
        "warning",
        "Training files go through moderation, which can stop the job.",
        "Read the example, and delete it if it is meant as it says.",
    ),
    "refusal": Code(
        "note",
        "A model that sees many refusals learns to refuse.",
        "Keep it only if this is the answer you wish for.",
    ),
}
