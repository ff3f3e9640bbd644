"""Makes the text of the story model: short stories, prompts and chats from a grammar, the same bytes for the same seed.

  make_text.py --count 20 --seed 7          20 documents as JSON lines on stdout
  make_text.py --count 20 --held-out        only stories whose hero and object never meet in the training text
"""
import argparse
import json
import random
import sys

import grammar
import plots
import words

KIND_NUMBER = {row[0]: number for number, row in enumerate(words.ANIMALS + words.PEOPLE)}
OBJECT_NUMBER = {row[0]: number for number, row in enumerate(words.OBJECTS)}

REQUESTS = [
  "[write|tell|tell me] a [short |little |]story about {hak} and {topic}.",
  "[write|tell me] a [short |]story about {topic}.",
  "[write|tell me] a story about {hak} named {H}[ and {topic}|].",
  "[write|tell me] a story about {ha}[ and {topic}|].",
  "[write|tell] a story about {H} the {hk}[ and {G} the {gk}|].",
  "[write|tell me] a story about {hak}, {gak} and {oak}.",
  "[write|tell me] a [short |]story about {hak} and {oak}.",
  "[write|tell me] a story about {hak} and {gak}.",
  "[write|tell me] a story that takes place {inp}[, about {hak}|].",
  "[please tell me|can you write] a story about {hak} and {topic}[, please|]?",
  "A story about {hak} and {topic}.",
]

SYSTEM = ["You are a helpful assistant.", "You are a storyteller.", "You tell short stories for children.", "You are a friendly assistant."]


TALK = [
  ("[hello|hi|good morning|hey][!|.|]", "[hello|good day]! Shall I tell you a story?"),
  ("[thank you|thanks][!|.| very much.]", "You are welcome. Shall I tell you another story?"),
  ("[who are you|what are you|what is your name]?", "I am a tiny model that tells short stories."),
  ("[what can you do|can you help me|help]?", "I can tell short stories. Ask me for a story about a fox and a key."),
  ("[what is|tell me about|explain|how does one find] [the capital of France|two plus three|the weather|the moon|the news|the time]?",
   "I only know how to tell stories. Shall I tell you one?"),
]


def held_out_pair(kind, noun):
  """One pair of hero's kind and object in twenty is kept out of the training text."""
  return (KIND_NUMBER[kind] * 7 + OBJECT_NUMBER[noun] * 3) % 20 == 0


def story(rng, held_out, prompted):
  """(the request, the story, its questions and answers)."""
  s = grammar.Story(rng, lambda kind, noun: held_out_pair(kind, noun) == held_out, invented=prompted)
  s.pick(plots.PLOTS)(s)
  s.slots["topic"] = s.fill_slots(s.pick(s.topics + ["{oak}", "{oa}"]))
  request = s.fill(s.draw(s.pick(REQUESTS)))
  if prompted and any(word not in request.lower() for word in s.coined):
    # A story with a request uses a made-up word only when the request brings it in: the model is to copy them.
    request = s.fill("Write a story about {H} the {hk}, {G} the {gk} and {oak}.")
  return request, s.text(), [(s.fill(question), s.fill(answer)) for question, answer in s.facts]


def turn(role, text):
  return "<|im_start|>" + role + "\n" + text + "<|im_end|>\n"


def document(seed, number, held_out=False):
  """The document of that number: a story alone, after a request, or in a chat with a question or a second request."""
  rng = random.Random((seed << 32) + number)
  form = rng.random()
  if form < 0.02:
    asked, answer = TALK[int(rng.random() * len(TALK))]
    maker = grammar.Story(rng, lambda kind, noun: True, False)
    return turn("user", maker.fill(maker.draw(asked))) + turn("assistant", maker.fill(maker.draw(answer)))
  if form < 0.35:
    return story(rng, held_out, False)[1]
  request, text, facts = story(rng, held_out, True)
  if form < 0.65:
    return request + "\n\n" + text
  chat = turn("system", SYSTEM[int(rng.random() * len(SYSTEM))]) if rng.random() < 0.2 else ""
  chat += turn("user", request) + turn("assistant", text)
  more = rng.random()
  if more < 0.4:
    question, answer = facts[int(rng.random() * len(facts))]
    chat += turn("user", question) + turn("assistant", answer)
  elif more < 0.5:
    request, text, facts = story(rng, held_out, True)
    chat += turn("user", request) + turn("assistant", text)
  return chat


def main():
  arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  arguments.add_argument("--count", type=int, default=10)
  arguments.add_argument("--seed", type=int, default=1)
  arguments.add_argument("--held-out", action="store_true")
  arguments = arguments.parse_args()
  for number in range(arguments.count):
    sys.stdout.write(json.dumps(document(arguments.seed, number, arguments.held_out)) + "\n")


if __name__ == "__main__":
  main()
