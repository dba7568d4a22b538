"""Graders, and what they compute; no model is asked."""
