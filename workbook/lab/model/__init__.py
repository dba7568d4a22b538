"""The model: its forward pass, its tokenizer and chat template, adapters, and bases on the disk.

Begin with `llama`. Knows nothing of serving, training or HTTP.
"""
