#!/usr/bin/env python3
"""Compares our chat formats with the Jinja program that a model brings, on conversations at random.

    pip install jinja2
    tests/parity/chat_templates.py build/release/tests/parity/tokenize MODEL_TYPE TOKENIZER.json TOKENIZER_CONFIG.json

MODEL_TYPE is config.json's; the program is "chat_template" of tokenizer_config.json. Exits with 1 if anything differs.
"""
import json
import random
import struct
import subprocess
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment

COUNT = 20000
PIECES = ["Hi", " ", "\n", "\n\n", "\t", "\x1c", "\x1f", "\u3000", "\u200b", "é", "日本", "<think>", "</think>", "<think>\nHm\n</think>\n\n",
          "<tool_response>", "</tool_response>", "<|im_end|>", "{{ 1 }}", "{% if %}"]


def refuse(message):
    raise ValueError(message)


def conversations():
    r = random.Random(1)
    content = lambda: "".join(r.choice(PIECES) for _ in range(r.randint(0, 6)))
    for _ in range(COUNT):
        roles = ["system"] * r.randint(0, 1) + ["user", "assistant"] * r.randint(0, 3) + ["user"]
        if r.random() < 0.1:  # an answer to be continued, or two questions in a row
            roles.append(r.choice(("assistant", "user")))
        yield [{"role": role, "content": content()} for role in roles]


def main(driver, model_type, tokenizer_path, config_path):
    with open(config_path, encoding="utf-8") as file:
        config = json.load(file)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(config["chat_template"])
    record = lambda text: struct.pack("<I", len(text.encode())) + text.encode()
    given = list(conversations())
    request = b"".join(b"".join(record(m["role"]) + record(m["content"]) for m in c) + record("") for c in given)
    answer = subprocess.run([driver, tokenizer_path, "chat:" + model_type], input=request, stdout=subprocess.PIPE, check=True).stdout
    at = differences = 0
    for messages in given:
        (size,) = struct.unpack_from("<I", answer, at)
        found = answer[at + 4:at + 4 + size].decode()
        at += 4 + size
        expected = template.render(messages=messages, add_generation_prompt=True, raise_exception=refuse,
                                   bos_token=config.get("bos_token"), eos_token=config.get("eos_token"))
        if found != expected:
            differences += 1
            if differences <= 5:
                print(f"{messages}\n  expected {expected!r}\n  found    {found!r}")
    print(f"{config_path}: {len(given)} conversations, {differences} differences")
    return differences > 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
