"""Graders of OpenAI's kinds, as data: for the lab's jobs and endpoints, and for evaluations."""
