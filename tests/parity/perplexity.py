#!/usr/bin/env python3
"""Compares a real model's predictions on a fixed text, the CPU backend's against Hugging Face's, from the same weights.

    python3 -m venv /tmp/parity && /tmp/parity/bin/pip install torch transformers
    ninja -C build dump_logits
    /tmp/parity/bin/python tests/parity/perplexity.py build/tests/parity/dump_logits FOLDER

FOLDER holds config.json, model.safetensors and tokenizer.json. Both get the text's tokens (teacher-forced) and compute in single
precision. Fails if the likeliest token differs where its two logits are 1e-3 or more apart, or perplexities by more than 0.1 %.
"""
import subprocess
import sys
import tempfile

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

TEXTS = [
    # Lewis Carroll, Alice's Adventures in Wonderland, 1865
    """Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or twice she had
peeped into the book her sister was reading, but it had no pictures or conversations in it, "and what is the use of a book," thought
Alice "without pictures or conversations?" So she was considering in her own mind (as well as she could, for the hot day made her
feel very sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the trouble of getting up and picking the
daisies, when suddenly a White Rabbit with pink eyes ran close by her. There was nothing so very remarkable in that; nor did Alice
think it so very much out of the way to hear the Rabbit say to itself, "Oh dear! Oh dear! I shall be late!" (when she thought it over
afterwards, it occurred to her that she ought to have wondered at this, but at the time it all seemed quite natural); but when the
Rabbit actually took a watch out of its waistcoat-pocket, and looked at it, and then hurried on, Alice started to her feet, for it
flashed across her mind that she had never before seen a rabbit with either a waistcoat-pocket, or a watch to take out of it, and
burning with curiosity, she ran across the field after it, and fortunately was just in time to see it pop down a large rabbit-hole
under the hedge.""",
    """Once upon a time there was a little dog who lived in a small house near the woods. Every morning the dog ran to the river to
look for his friend, the frog. One day the frog was not there. The dog was sad. He asked the bird, "Have you seen my friend?" The bird
said, "He went to the big tree." So the dog ran to the big tree, and there was the frog, with a red ball. They played all day.""",
    """def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a

The function above returns the n-th Fibonacci number. Its running time is linear in n, because the loop runs n times; the numbers
themselves grow exponentially: fibonacci(10) = 55, fibonacci(20) = 6765, fibonacci(30) = 832040.""",
]


def main(dump_logits, folder):
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    sequences = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([dump_logits, folder, out.name], check=True, text=True,
                       input="".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
        ours = torch.frombuffer(bytearray(out.read()), dtype=torch.float32).view(-1, model.config.vocab_size).double()
    with torch.no_grad():
        theirs = torch.cat([model(torch.tensor([ids])).logits[0] for ids in sequences]).double()
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)

    apart = theirs.max(1).values - theirs.gather(1, ours.argmax(1, keepdim=True))[:, 0]
    other = int((apart > 0).sum())
    wrong = int((apart >= 1e-3).sum())
    kept = torch.tensor([i + 1 < len(ids) for ids in sequences for i in range(len(ids))])
    following = torch.tensor([t for ids in sequences for t in ids[1:]])

    def perplexity(logits):
        chosen = logits[kept].log_softmax(1).gather(1, following[:, None])
        return (-chosen.mean()).exp().item()

    mine, reference = perplexity(ours), perplexity(theirs)
    distance = ((ours - theirs).norm() / theirs.norm()).item()
    fine = wrong == 0 and abs(mine / reference - 1) <= 1e-3
    print(f"{'ok' if fine else 'FAIL'}: {len(ours)} positions, relative L2 {distance:.1e}, likeliest token differs at {other}, "
          f"of which {wrong} by 1e-3 or more; perplexity {mine:.6f}, transformers {reference:.6f} ({mine / reference - 1:+.1e})")
    return 0 if fine else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
