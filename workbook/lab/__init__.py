"""The lab: a service on this machine that answers OpenAI's API, and really trains.

Its rooms, each of which may import what stands after it, never before:

serving_process: one process with a port, a key and a state folder; what `workbook lab serve` runs.
api: HTTP, and nothing but HTTP: paths, bodies, keys, errors, streams.
service: what the endpoints share, put together: store, tokenizer, scheduler, job and batch runners.
jobs: fine-tuning jobs and batches, carried from their creation to an end.
generation: a request for text, checked and planned, and its answer in OpenAI's shape.
grading: graders and what they compute.
serving: the engine that writes many answers at once, and the one way into it.
training: the process that trains an adapter.
model: the network, its tokenizer, its weights.
state: records and bytes in the state folder, and who holds it.
schema, errors, ids: OpenAI's document, refusals, and names.

Beside them stand `client`, with which everybody else finds, starts and stops a lab, and `reset`.
"""

__version__ = "0.1.0"
