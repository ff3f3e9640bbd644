"""Lets a story model tell stories, prints some and measures how well requests are followed.

  evaluate.py FOLDER [--stories N]
"""
import argparse
import pathlib
import random
import re

import torch

import make_text
import words
from check import load

GREEDY = ["Once upon a time", "Write a story about a fox and a lost key.\n\n", "Tell me a story about a brave rabbit named Pip.\n\n",
          "There was once a little robot named Ada who lived by the sea.", "Write a story about a dragon and a computer.\n\n"]
SAMPLED = GREEDY + ["Write a story about a birthday.\n\n", "One rainy day, a mouse named Bill found a golden trumpet.",
                    "<|im_start|>user\nTell me a story about a bear, a mouse and a drum.<|im_end|>\n<|im_start|>assistant\n",
                    "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"]


@torch.no_grad()
def generate(model, tokenizer, prompts, temperature, length=400):
  """The prompts' continuations; prompts are padded on the left. Temperature 0 takes the likeliest token."""
  encoded = [tokenizer.encode(prompt).ids or [0] for prompt in prompts]
  width = max(len(ids) for ids in encoded)
  ids = torch.tensor([[0] * (width - len(ids)) + ids for ids in encoded], device=model.device)
  mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in encoded], device=model.device)
  sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {
    "do_sample": False, "temperature": None, "top_k": None, "top_p": None}
  out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=length, eos_token_id=[0, 2], pad_token_id=0, **sampling)
  texts = []
  for line in out[:, width:].tolist():
    end = min([line.index(stop) for stop in (0, 2) if stop in line], default=None)
    texts.append((tokenizer.decode(line[:end]), end is not None))
  return texts


def faults(story, request):
  """What of kinds, names and nouns asked for is missing, and which names come from nowhere."""
  found = []
  for word in request:
    if not re.search(r"\b" + word + r"\b", story):
      found.append("missing " + word)
  said = {name for name in re.findall(r"\b[A-Z][a-z]+\b", story) if name in words.FEMALE + words.MALE}
  for name in sorted(said):
    first = story.index(name)
    before, after = story[:first].rstrip('" \n'), story[first + len(name):]
    if not (re.search(r"\b(named|called|name was|name is|story of|It was)$", before) or re.match(r" was an? |, an? | the | had an? ", after)):
      found.append("unknown " + name)
  genders = {name in words.FEMALE for name in said}
  if len(genders) == 1 and len(said) > 1:
    others = r"\b(he|him|his|himself)\b" if True in genders else r"\b(she|her|hers|herself)\b"
    if re.search(others, story, re.IGNORECASE):
      found.append("pronoun of nobody")
  return found


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("--stories", type=int, default=400)
  arguments = parser.parse_args()
  model, tokenizer = load(arguments.folder)
  torch.manual_seed(1)
  for temperature, prompts in ((0, GREEDY), (0.7, SAMPLED)):
    for prompt, (text, ended) in zip(prompts, generate(model, tokenizer, prompts, temperature)):
      print(f"--- temperature {temperature}{'' if ended else ', not ended'}: {prompt!r}\n{text}\n")

  rng = random.Random(5)
  for held_out in (False, True):
    requests = []
    while len(requests) < arguments.stories:
      kind, noun = rng.choice(words.ANIMALS + words.PEOPLE)[0], rng.choice(words.OBJECTS)[0]
      if make_text.held_out_pair(kind, noun) == held_out:
        requests.append((kind, noun))
    prompts = [f"Write a story about {make_text.grammar.article(kind)} and {make_text.grammar.article(noun)}.\n\n" for kind, noun in requests]
    told = generate(model, tokenizer, prompts, 0.7)
    wrong = [faults(text, request) for (text, _), request in zip(told, requests)]
    print(f"pairs {'never seen' if held_out else 'seen'}: {len(told)} stories, ended {sum(ended for _, ended in told)}, "
          f"request followed {sum(not any(f.startswith('missing') for f in fs) for fs in wrong)}, "
          f"no pronoun of nobody {sum('pronoun of nobody' not in fs for fs in wrong)}, no name from nowhere {sum(not any(f.startswith('unknown') for f in fs) for fs in wrong)}, "
          f"{sum(len(text.split()) for text, _ in told) / len(told):.0f} words each")
    print("first faults:", [(request, fs) for request, fs in zip(requests, wrong) if fs][:8])


if __name__ == "__main__":
  main()
