"""The lab: a service on this machine that answers OpenAI's files, fine-tuning and chat API, and trains."""

__version__ = "0.1.0"
