#!/usr/bin/env python3
"""Holds the CUDA backend's logits, and those of transformers in bf16 on the same card, against transformers in fp32.

    python3 tests/parity/cuda_parity.py build/release/tests/parity/dump_logits FOLDER...

FOLDER is a Hugging Face model; `random` makes one in the shape of Qwen3-0.6B with fewer layers and tokens. Needs torch, transformers
and a card. Fails when our relative L2 distance is above 1.2 times that of transformers in bf16.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, Qwen3Config


def logits(folder, dtype, sequences):
    torch.backends.cuda.matmul.allow_tf32 = False
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval().cuda()
    with torch.no_grad():
        return torch.cat([model(torch.tensor([ids]).cuda()).logits[0].double().cpu() for ids in sequences])


def compare(name, folder, dump_logits):
    vocabulary = AutoModelForCausalLM.from_pretrained(folder).config.vocab_size
    sequences = [torch.randint(0, vocabulary, (n,)).tolist() for n in (1, 65, 300, 700)]
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place) / "logits"
        subprocess.run([dump_logits, folder, out, "--cuda"], check=True, text=True,
                       input="".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
        ours = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).view(-1, vocabulary).double()
    exact = logits(folder, torch.float32, sequences)
    theirs = logits(folder, torch.bfloat16, sequences)
    distance = [((x - exact).norm() / exact.norm()).item() for x in (ours, theirs)]
    agree = [int((x.argmax(1) == exact.argmax(1)).sum()) for x in (ours, theirs)]
    fine = distance[0] <= 1.2 * distance[1]
    print(f"{'ok  ' if fine else 'FAIL'} {name}: {len(exact)} positions, relative L2 to fp32: ours {distance[0]:.2e}, "
          f"transformers in bf16 {distance[1]:.2e}, ratio {distance[0] / distance[1]:.2f}; same argmax {agree[0]} and {agree[1]}")
    return fine


def main(dump_logits, folders):
    torch.manual_seed(1)
    fine = True
    for folder in folders:
        if folder != "random":
            fine &= compare(folder, folder, dump_logits)
            continue
        with tempfile.TemporaryDirectory() as place:
            config = Qwen3Config(hidden_size=1024, intermediate_size=3072, num_hidden_layers=8, num_attention_heads=16,
                                 num_key_value_heads=8, head_dim=128, vocab_size=8192, tie_word_embeddings=True,
                                 max_position_embeddings=2048)
            AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(place)
            fine &= compare("random, Qwen3-0.6B's shape with 8 layers", place, dump_logits)
    return 0 if fine else 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
