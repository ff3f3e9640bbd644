#!/usr/bin/env python3
"""Writes the small tokenizers of this folder and cases.json: what the Python package `tokenizers` makes of a few hundred strings.

    pip install tokenizers==0.23.3
    tests/golden/tokenizer/make.py

The vocabularies are learnt from docs/; the steps around them are those of Qwen3, Llama 3, SmolLM2 and, with every flag an added
token can have, one of our own.
"""
import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "parity"))
from tokenizer_diff import Strings  # noqa: E402

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def learn(missing=0):
    """Vocabulary and merges; the last `missing` bytes are no tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = [p.read_text("utf-8") for p in sorted((HERE.parent.parent.parent / "docs").glob("*.md"))]
    texts += ["the café ο και при на 日本語 日本 안녕 😀😀 e\u0301 \u00e9\u00e9"] * 9
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=480, initial_alphabet=BYTES, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    gone = set(BYTES[len(BYTES) - missing:])
    names = [t for t in sorted(model["vocab"], key=model["vocab"].get) if not gone & set(t)]
    return {t: i for i, t in enumerate(names)}, [m for m in model["merges"] if not gone & set("".join(m))]


def byte_level(use_regex, prefix_space=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": False, "use_regex": use_regex}


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def write(name, pre_tokenizer, added, normalizer=None, post=None, missing=0, pairs=False, **model):
    vocab, merges = learn(missing)
    tokens = []
    for content, *flags in added:
        token = {"id": vocab.get(content, len(vocab) + sum(t["content"] not in vocab for t in tokens)), "content": content}
        token |= {f: f in flags for f in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        tokens.append(token)
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": post and post(len(vocab)), "decoder": byte_level(True),
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab,
                  "merges": merges if pairs else [" ".join(m) for m in merges]} | model}
    (HERE / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False) + "\n", "utf-8")


def begin_of_text(id):
    return {"type": "Sequence", "processors": [byte_level(True), {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}},
                                                 {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [id],
                                                             "tokens": ["<|begin_of_text|>"]}}}]}


def main():
    write("qwen3", sequence(split(rf"{CONTRACTION}|\p{{N}}|{TAIL}"), byte_level(False)),
          [("<|endoftext|>", "special"), ("<|im_start|>", "special"), ("<|im_end|>", "special"), ("<think>",), ("</think>",)],
          normalizer={"type": "NFC"}, pairs=True)
    write("llama3", sequence(split(rf"{CONTRACTION}|\p{{N}}{{1,3}}|{TAIL}"), byte_level(False)),
          [(t, "special") for t in ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")],
          post=begin_of_text, ignore_merges=True)
    write("smollm2", sequence({"type": "Digits", "individual_digits": True}, byte_level(True)),
          [("<|im_start|>", "special"), ("<|im_end|>", "special")], missing=20)
    write("flags", sequence({"type": "Digits", "individual_digits": False}, byte_level(True, prefix_space=True)),
          [("<l>", "lstrip", "special"), ("<r>", "rstrip"), ("<b>", "lstrip", "rstrip", "special"), ("word", "single_word"),
           ("the", "single_word", "lstrip", "normalized"), ("e\u0301", "normalized"), ("<lo", ), ("<long>", "normalized"),
           ("\t", "rstrip"), ("two words", "special", "rstrip", "single_word"), ("é", "special")],
          normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]}, missing=20, unk_token="!", fuse_unk=True)

    cases = {}
    for name in ("qwen3", "llama3", "smollm2", "flags"):
        tokenizer = Tokenizer.from_file(str(HERE / f"{name}.json"))
        added = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
        strings = Strings(added, seed=7, code="int main() {\n\treturn 0;  // don't\n}\n" * 20)
        texts = ["", " ", "  ", "\n", " \n \n  x", "I'LL don't X'llY 'ſ", "12345 café e\u0301 \u1100\u1161\u11a8", "日本語 😀 👩‍👩‍👧‍👦",
                 "a\u0323\u0307 \u212b", "the word two words  sword word_ \t\t x", "  <l>  <r>  <b>  <long>  <lo  "]
        texts += [strings.next().decode("utf-8", "replace") for _ in range(70)]
        texts += ["".join(random.Random(i).choice(added + [" ", "  ", "x", "é", "\n"]) for _ in range(9)) for i in range(30)]
        cases[name] = []
        for text in texts:
            ids = tokenizer.encode(text).ids
            cases[name].append([text, ids, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids)])
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(c) for c in rows) + "\n]" for name, rows in cases.items()]
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
