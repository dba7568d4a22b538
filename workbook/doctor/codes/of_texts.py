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
        "`report.fix()` removes them; what parts words or lines becomes a blank or a line.",
    ),
    "wrong-characters": Code(
        "warning",
        "The text was damaged before it came here, and the damage is learned.",
        'Read the source again in its right encoding; `report.fix("wrong-characters")` mends what '
        "can still be told.",
    ),
    "escaped-lines": Code(
        "warning",
        "The text was escaped once too often: the model learns to write a backslash and an n.",
        '`report.fix("escaped-lines")` makes lines of it.',
    ),
    "html-entities": Code(
        "warning",
        "The model learns to write &amp; where it should write &.",
        '`report.fix("html-entities")` writes the letters, unless the text is about HTML.',
    ),
    "template-mark": Code(
        "warning",
        "Every model's template puts its own marks around a turn; those in the text are learned as "
        "words, and another model's are noise.",
        "Delete them: give the turns as messages, and an answer without its thinking.",
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
