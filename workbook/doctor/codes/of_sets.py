"""Codes of what only many examples together show: repetition, contradiction, imbalance, leaks."""

from workbook.doctor.codes.code import Code

SET_CODES = {
    "refusals": Code(
        "warning",
        "More than one answer in ten refuses: the model will, too.",
        "Add answers, or delete refusals.",
    ),
    "near-duplicate": Code(
        "warning",
        "Nearly the same, it counts double, and leaks if it is also tested.",
        "Keep one of them.",
    ),
    "sampled": Code(
        "note",
        "Comparing every row with every other would take too long.",
        "Check a part of the file by itself.",
    ),
    "leakage": Code(
        "error",
        "What is trained on can't be tested on: the measure lies.",
        "Delete the row from one of the files; `doctor.split` avoids it.",
    ),
    "near-leakage": Code(
        "warning",
        "A question that was trained on, but for a few letters, tests memory.",
        "Delete the row from one of the files, if it is the same question.",
    ),
    "meaning-duplicate": Code(
        "note",
        "The same question in other words counts double if its answer is the same, too.",
        "Read both; keep one, or both if they are meant to teach other words.",
    ),
    "meaning-leakage": Code(
        "warning",
        "A question that was trained on in other words tests memory, not skill.",
        "Read both, and delete one if they ask the same.",
    ),
    "meaning-off": Code(
        "note",
        "Only letters were compared, not what they mean.",
        "Install what is named, or leave `meaning` out.",
    ),
    "language-mix": Code(
        "note",
        "The model answers in the languages it saw, not always in yours.",
        "Mean it, or choose one.",
    ),
    "endings-vary": Code(
        "note",
        "Some answers end with a full stop or the like, some don't: the model will vary, too.",
        "Decide for one.",
    ),
    "user-prefix": Code(
        "note",
        "Words that stand before every question are paid for every time.",
        '`report.fix("user-prefix")` puts them into the system message, once.',
    ),
    "answer-prefix": Code(
        "note",
        "Words that open every answer are learned, and paid for.",
        '`report.fix("answer-prefix")` takes them away if not needed.',
    ),
    "in-quotes": Code(
        "warning",
        "Quotation marks around every text are part of it: the model learns to write them.",
        "Write the file anew with double quotes, as CSV has them, or delete the marks.",
    ),
    "same-answer": Code(
        "warning", "One answer to everything is all that will be learned.", "Add other answers."
    ),
    "open-ended": Code(
        "note",
        "All prompts are empty: the model learns a style, not to answer.",
        "Nothing, if this is what you want.",
    ),
    "no-separator": Code(
        "note",
        "Completion models need a sign where the prompt ends.",
        '`report.fix("no-separator")` adds one.',
    ),
    "no-ending": Code(
        "note",
        "Completion models need a sign where the answer ends.",
        '`report.fix("no-ending")` adds one.',
    ),
    "no-space": Code(
        "note",
        "The older vocabularies put the space before a word, so completions began with one.",
        '`report.fix("no-space")` adds it.',
    ),
    "duplicate": Code(
        "warning",
        "Repeated, it counts double, and leaks if it is also tested.",
        "Keep one of them.",
    ),
    "contradiction": Code(
        "warning",
        "The same question with different answers teaches to guess.",
        "Decide for one answer.",
    ),
    "imbalance": Code(
        "warning",
        "A model learns to say what it saw most often.",
        "Collect more of the rare answers, or use fewer of the common one.",
    ),
    "system-varies": Code(
        "note",
        "The model is tuned to the system message it saw; use the same one afterwards.",
        "Use one, unless you vary it on purpose.",
    ),
}
