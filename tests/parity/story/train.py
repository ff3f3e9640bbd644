"""Trains the story model and writes config.json, generation_config.json and model.safetensors beside the tokenizer.

  train.py FOLDER [--documents N] [--steps N]

Needs torch, transformers, tokenizers, safetensors and a CUDA device; the text is made on all cores first.
"""
import argparse
import json
import math
import multiprocessing
import os
import pathlib
import time

import numpy as np

from make_text import document

TRAIN_SEED = 1
CONTEXT = 1024
END = 0  # <|endoftext|>
CHUNK = 2000  # documents a worker makes at a time
CONFIG = {
  "architectures": ["Qwen3ForCausalLM"],
  "attention_bias": False,
  "attention_dropout": 0.0,
  "bos_token_id": END,
  "eos_token_id": 2,
  "head_dim": 64,
  "hidden_act": "silu",
  "hidden_size": 192,
  "initializer_range": 0.02,
  "intermediate_size": 512,
  "max_position_embeddings": CONTEXT,
  "max_window_layers": 6,
  "model_type": "qwen3",
  "num_attention_heads": 4,
  "num_hidden_layers": 6,
  "num_key_value_heads": 2,
  "rms_norm_eps": 1e-06,
  "rope_scaling": None,
  "rope_theta": 10000.0,
  "sliding_window": None,
  "tie_word_embeddings": True,
  "torch_dtype": "bfloat16",
  "use_cache": True,
  "use_sliding_window": False,
  "vocab_size": 2048,
}
GENERATION = {"bos_token_id": END, "do_sample": True, "eos_token_id": [2, END], "pad_token_id": END, "temperature": 0.7, "top_k": 20,
              "top_p": 0.95}


def pack(job):
  """Rows of CONTEXT + 1 tokens of whole documents, each ended by END; every other row begins with END; END pads."""
  from tokenizers import Tokenizer
  tokenizer_file, first = job
  tokenizer = Tokenizer.from_file(tokenizer_file)
  texts = [document(TRAIN_SEED, number) for number in range(first, first + CHUNK)]
  rows = []
  row = []
  for encoding in tokenizer.encode_batch(texts):
    ids = encoding.ids + [END]
    if len(row) + len(ids) > CONTEXT + 1:
      rows.append(row + [END] * (CONTEXT + 1 - len(row)))
      row = [END] if len(rows) % 2 else []
    row += ids[:CONTEXT + 1 - len(row)]
  return np.array(rows, dtype=np.int16)


def make_rows(folder, documents):
  os.environ["TOKENIZERS_PARALLELISM"] = "false"
  jobs = [(str(folder / "tokenizer.json"), first) for first in range(0, documents, CHUNK)]
  with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
    return np.concatenate(pool.map(pack, jobs, chunksize=1))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("--documents", type=int, default=1_000_000)
  parser.add_argument("--steps", type=int, default=4000)
  parser.add_argument("--rows", type=int, default=64, help="rows of 1,024 tokens in a step")
  parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
  arguments = parser.parse_args()

  began = time.time()
  rows = make_rows(arguments.folder, arguments.documents)
  print(f"{arguments.documents} documents, {len(rows)} rows, {np.count_nonzero(rows)} tokens besides ends, {time.time() - began:.0f} s", flush=True)

  import torch
  import torch.nn.functional as functional
  from safetensors.torch import save_file
  from transformers import Qwen3Config, Qwen3ForCausalLM

  torch.manual_seed(1)
  torch.set_float32_matmul_precision("high")
  (arguments.folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
  (arguments.folder / "generation_config.json").write_text(json.dumps(GENERATION, indent=2) + "\n")
  settings = {key: value for key, value in CONFIG.items() if key != "torch_dtype"}
  model = Qwen3ForCausalLM(Qwen3Config(**settings, attn_implementation="sdpa")).float().cuda()
  model.config.use_cache = False
  print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
  compiled = torch.compile(model.model)
  matrices = [p for p in model.parameters() if p.dim() == 2]
  others = [p for p in model.parameters() if p.dim() != 2]
  optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                lr=arguments.rate, betas=(0.9, 0.95), fused=True)

  def rate(step):
    warm = 200
    if step < warm:
      return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (arguments.steps - warm)))

  schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
  data = torch.from_numpy(rows).cuda()
  generator = torch.Generator().manual_seed(1)
  order = torch.randperm(len(rows), generator=generator)
  position = 0
  causal = {"full_attention": None}  # No mask tensor: attention is then causal by flag, the fast way.
  began = time.time()
  for step in range(arguments.steps):
    if position + arguments.rows > len(order):
      order, position = torch.randperm(len(rows), generator=generator), 0
    batch = data[order[position:position + arguments.rows].cuda()].long()
    position += arguments.rows
    inputs, targets = batch[:, :-1], batch[:, 1:]
    targets = targets.masked_fill((targets == END) & (inputs == END), -100)
    with torch.autocast("cuda", dtype=torch.bfloat16):
      logits = model.lm_head(compiled(input_ids=inputs, attention_mask=causal).last_hidden_state)
      loss = functional.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    if step % 250 == 0 or step + 1 == arguments.steps:
      value = loss.item()
      passed = time.time() - began
      print(f"step {step} loss {value:.4f} {passed:.0f} s {(step + 1) * arguments.rows * CONTEXT / passed:.0f} tokens/s", flush=True)

  tensors = {name: tensor.detach().to(torch.bfloat16).cpu().contiguous() for name, tensor in model.state_dict().items()
             if name != "lm_head.weight"}
  save_file(tensors, arguments.folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
  main()
