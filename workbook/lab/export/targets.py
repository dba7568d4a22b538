"""Programs that load what was exported, and answer as they do it: transformers, peft, llama.cpp.

Each is called in a process of its own: `python -m workbook.lab.export.targets KIND PATH …` reads
conversations as JSON from standard input and writes what it read and answered, in token ids.
Greedy decoding: at each token the likeliest. Knows nothing of the lab.
"""

import argparse
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

Conversation = list[dict[str, str]]
Turn = dict[str, list[int]]  # "prompt" and "answer", ids; the answer ends with its stop token


def transformers_answers(
    folder: Path, conversations: list[Conversation], tokens: int, dtype: str, base: Path | None
) -> list[Turn]:
    """transformers on a merged folder, or with peft on an adapter.

    base: for an adapter, the folder of the model under it
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    kind = getattr(torch, dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(base or folder, dtype=kind)
    if base is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder)
    turns = []
    for messages in conversations:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        with torch.no_grad():
            output = model.generate(**ids, max_new_tokens=tokens, do_sample=False, pad_token_id=0)
        prompt = ids["input_ids"][0].tolist()
        turns.append({"prompt": prompt, "answer": output[0, len(prompt) :].tolist()})
    return turns


def llama_cpp_answers(file: Path, conversations: list[Conversation], tokens: int) -> list[Turn]:
    """llama.cpp's server on a GGUF file, with the chat template that the file holds."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.n_ctx = 2048
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 1  # more of them spin while others need the processor
    settings.cpuparams_batch.n_threads = 1
    settings.use_jinja = True
    settings.warmup = False
    settings.verbosity = 0
    settings.port = 0
    server = xllamacpp.Server(settings)
    turns = []

    def call(path: str, body: dict[str, Any]) -> Any:
        address = f"{server.listening_address}{path}"
        request = urllib.request.Request(address, json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with direct.open(request, timeout=600) as answer:
            return json.load(answer)

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for messages in conversations:
        text = call("/apply-template", {"messages": messages})["prompt"]
        reading = {"content": text, "add_special": True, "parse_special": True}
        prompt = call("/tokenize", reading)["tokens"]
        asking = {
            "prompt": prompt,
            "n_predict": tokens,
            "temperature": 0,
            "top_k": 1,
            "repeat_penalty": 1.0,
            "return_tokens": True,
            "cache_prompt": False,
        }
        turns.append({"prompt": prompt, "answer": call("/completion", asking)["tokens"]})
    return turns


def main() -> None:
    """Read conversations from standard input, write the answers to the file `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["transformers", "peft", "llama.cpp"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    conversations = json.load(sys.stdin)
    if options.kind == "llama.cpp":
        turns = llama_cpp_answers(options.path, conversations, options.tokens)
    else:
        base = options.base if options.kind == "peft" else None
        turns = transformers_answers(
            options.path, conversations, options.tokens, options.dtype, base
        )
    options.output.write_text(json.dumps(turns), encoding="utf-8")


if __name__ == "__main__":
    main()
