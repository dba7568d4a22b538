"""Answers many requests at once with the base and what was tuned from it.

Begin with `engine` and `batch`; `types` has what goes in and comes out. Knows token ids and models,
nothing of HTTP, chat messages or training.
"""
