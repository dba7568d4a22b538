"""Fine-tuning jobs and batches, carried from their creation to an end."""
