"""Requests for text, checked and planned, and their answers in OpenAI's shape."""
