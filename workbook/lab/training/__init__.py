"""Trains an adapter on a file of examples, in a process of its own.

Begin with `job`, then `forward` and `lora_layers`. Knows nothing of serving, HTTP or the database.
"""
