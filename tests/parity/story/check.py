"""Reloads a story model with transformers and tokenizers and prints its loss on fixed held-out documents.

  check.py FOLDER [--documents N]

Fails if the loss on one of the two sets is more than 0.01 nats a token above what the model's README states.
"""
import argparse
import math
import pathlib

import torch
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM

from make_text import document

HELD_OUT_SEED = 2
STATED = {"new stories": 0.3670, "new stories of pairs never seen": 0.3665}


def load(folder):
  """The model in fp32 on the device at hand, and the tokenizer."""
  device = "cuda" if torch.cuda.is_available() else "cpu"
  model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
  return model, Tokenizer.from_file(str(folder / "tokenizer.json"))


@torch.no_grad()
def loss(model, tokenizer, texts):
  """(nats a token, bits a byte), the end of each text counted as a token; each text is read alone."""
  nats, tokens = 0.0, 0
  for start in range(0, len(texts), 16):
    rows = [[0] + encoding.ids + [0] for encoding in tokenizer.encode_batch(texts[start:start + 16])]
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    targets = ids[:, 1:].clone()
    for line, row in zip(targets, rows):
      line[len(row) - 1:] = -100
    logits = model(input_ids=ids[:, :-1]).logits.float()
    nats += torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction="sum").item()
    tokens += int((targets >= 0).sum())
  return nats / tokens, nats / math.log(2) / sum(len(text.encode()) for text in texts)


def held_out(documents):
  return {"new stories": [document(HELD_OUT_SEED, number) for number in range(documents)],
          "new stories of pairs never seen": [document(HELD_OUT_SEED, number, held_out=True) for number in range(documents)]}


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("--documents", type=int, default=1000)
  arguments = parser.parse_args()
  model, tokenizer = load(arguments.folder)
  print(f"{sum(p.numel() for p in model.parameters())} parameters, vocabulary {tokenizer.get_vocab_size()}, "
        f"{(arguments.folder / 'model.safetensors').stat().st_size} bytes")
  failed = False
  for name, texts in held_out(arguments.documents).items():
    nats, bits = loss(model, tokenizer, texts)
    print(f"{name}: {nats:.4f} nats a token, {bits:.4f} bits a byte, {len(texts)} documents")
    failed |= not nats < STATED[name] + 0.01
  raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
  main()
