"""The Studio: a page in the browser that speaks OpenAI's API with the backend that was chosen.

What can be done stands in the modules here, without a page; how it looks, in `pages`. Needs the
extra `studio`. Knows clients, training files, prices and evaluations; knows nothing of the lab.
"""
