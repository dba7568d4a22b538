"""The model: forward pass, tokenizer, grammars over its tokens, adapters, and bases on the disk.

Begin with `llama`. Knows nothing of serving, training or HTTP.
"""
