"""The forms that other tools and hosts give to training rows, read as chat, pairs or preferences.

A form is known by its keys, whatever container the row came in. What it does not use stays in the
row under its own key: nothing is dropped here. Knows no files; `recognition` is the door.
"""
