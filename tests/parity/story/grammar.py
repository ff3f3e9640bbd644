"""One story: who and what is in it, and sentences from templates.

A template holds alternatives, "[big|small|]", which may nest, and slots, "{H}". Everything is drawn by `pick`, from
random.Random.random() alone, whose sequence Python promises for every version.
"""
import functools
import re

import words

KNOWN = [word.lower() for word in words.FEMALE + words.MALE] + [row[0] for row in words.ANIMALS + words.PEOPLE + words.OBJECTS + words.TRAITS]
PRONOUNS = {"f": ("she", "her", "her", "herself"), "m": ("he", "him", "his", "himself")}


def article(text):
  return ("an " if text[0] in "aeiouAEIOU" or text.startswith("honest") else "a ") + text


@functools.lru_cache(maxsize=None)
def parse(template):
  """A tuple of strings and of tuples of alternatives, each again such a tuple."""
  stack = [[[]]]
  for piece in re.findall(r"[\[\]|]|[^\[\]|]+", template):
    if piece == "[":
      stack.append([[]])
    elif piece == "|" and len(stack) > 1:
      stack[-1].append([])
    elif piece == "]":
      alternatives = tuple(tuple(parts) for parts in stack.pop())
      stack[-1][-1].append(alternatives)
    else:
      stack[-1][-1].append(piece)
  if len(stack) != 1:
    raise ValueError("unbalanced brackets: " + template)
  return tuple(stack[0][0])


SENTENCE_START = re.compile(r'(^|[.!?] |[.!?]\n\n|[.]" |(?:^|[ \n])"|[.!?]"\n\n)([a-z])')
SLOT = re.compile(r"\{(\w+)\}")


class Story:
  """Cast, things and place are drawn on construction; a plot then adds sentences, facts and topics."""

  def __init__(self, rng, keep_pair, invented):
    """`keep_pair(kind, noun)` says whether hero and object may meet; `invented` allows made-up nouns; made-up words are listed in `coined`."""
    self.rng = rng
    self.invented = invented
    self.paragraphs = [[]]
    self.facts = []
    self.topics = []
    self.slots = {}
    self.names = set()
    self.coined = []
    self.place, spots, self.slots["place"] = self.pick(words.PLACES)
    self.spots = self.shuffled(spots.split(";"))
    self.slots.update(inp=self.place, s1=self.spots[0], s2=self.spots[1], s3=self.spots[2])
    while True:
      kind, noun = self.draw_kind(), self.pick(words.OBJECTS)
      if keep_pair(kind[0], noun[0]):
        break
    self.trait = self.pick(words.TRAITS)
    self.hero = self.cast("H", kind, self.trait[0] if self.chance(0.6) else self.pick(words.SIZES))
    self.helper = self.cast("G", self.other_kind(self.hero), self.pick(words.SIZES + ["kind", "friendly", "wise", "cheerful"]))
    self.draw_object(noun)
    season, weather, sights = words.SEASONS[3] if "snowy" in self.place else self.pick(words.SEASONS)
    sight = self.pick(sights.split(";"))
    treats = self.shuffled(words.TREATS)
    self.slots.update(season=season, weather=self.pick(weather.split(",")), sight=sight[0].lower() + sight[1:], rel=self.pick(words.FAMILY), treat=treats[0],
                      treat2=treats[1])

  def chance(self, probability):
    return self.rng.random() < probability

  def pick(self, items):
    return items[int(self.rng.random() * len(items))]

  def shuffled(self, items):
    return [item for _, item in sorted((self.rng.random(), item) for item in items)]

  def draw_kind(self):
    """(kind, gender, home, what it does best) of an animal or a person."""
    if self.chance(0.62):
      kind, home, skill = self.pick(words.ANIMALS)
      return kind, "any", home, skill
    return self.pick(words.PEOPLE)

  def draw_name(self, key, names):
    """Favours early names for heroes, late ones for helpers, others for the third: the likeliest names then differ."""
    early = int(self.rng.random() ** 2 * len(names))
    return names[{"H": early, "G": len(names) - 1 - early, "T": (early + len(names) // 2) % len(names)}[key]]

  def other_kind(self, *characters):
    while True:
      kind = self.draw_kind()
      if all(kind[0] != character["kind"] for character in characters):
        return kind

  def invent(self):
    """A word of syllables, or the head of one known word and the tail of another."""
    if self.chance(0.3):
      word = "".join(self.pick(words.SYLLABLES) for _ in range(2 if self.chance(0.6) else 3))
      word += self.pick(words.ENDINGS) if self.chance(0.5) else ""
    else:
      word = self.pick(KNOWN)[:2 + int(self.rng.random() * 3)] + self.pick(KNOWN)[-2 - int(self.rng.random() * 3):]
    self.coined.append(word)
    return word

  def cast(self, key, kind, adjective):
    """Slots of a character for KEY = H: {H} name, {h} {hm} {hs} {hf} pronouns, {hk} kind, {ha} "a little fox"."""
    noun, gender, home, skill = kind
    gender = self.pick("fm") if gender == "any" else gender
    if self.invented and key != "T" and self.chance(0.08):
      noun = self.invent()
    while True:
      name = self.draw_name(key, words.FEMALE if gender == "f" else words.MALE)
      if key == "H" and self.chance(0.2 if self.invented else 0.04) or key == "G" and self.invented and self.chance(0.1):
        name = self.invent().capitalize()
      if name not in self.names:
        break
    self.names.add(name)
    low = key.lower()
    pronouns = PRONOUNS[gender]
    if adjective == "old" and noun in ("girl", "boy", "prince", "princess", "lamb", "kitten", "puppy", "pony"):
      adjective = "young"
    if adjective in ("small", "tiny", "little") and noun == "giant":
      adjective = "young"
    self.slots.update({key: name, low: pronouns[0], low + "m": pronouns[1], low + "s": pronouns[2], low + "f": pronouns[3],
                       low + "k": noun, low + "adj": adjective, low + "a": article(adjective + " " + noun),
                       low + "ak": article(noun), low + "home": home})
    return {"kind": noun, "skill": skill, "home": home, "gender": gender}

  def draw_object(self, entry):
    noun, own, use, self.material = entry
    adjective = self.pick(own.split(",") if self.chance(0.4) else words.COLOURS)
    if self.invented and self.chance(0.1):
      noun, use, self.material = self.invent(), "play with it", "h"
    self.slots.update(on=noun, oadj=adjective, o=adjective + " " + noun, oa=article(adjective + " " + noun),
                      oak=article(noun), use=use)

  def third(self):
    """A third character, for the plots that need one."""
    return self.cast("T", self.other_kind(self.hero, self.helper), self.pick(words.SIZES))

  def recast(self, key, kinds, adjective):
    """Casts the helper anew among `kinds`, for plots that need a skill."""
    self.names.discard(self.slots[key])
    return self.cast(key, self.pick([kind for kind in kinds if kind[0] != self.hero["kind"]]), adjective)

  def expand(self, parts):
    return "".join(part if isinstance(part, str) else self.expand(self.pick(part)) for part in parts)

  def draw(self, template):
    return self.expand(parse(template))

  def say(self, *templates):
    self.paragraphs[-1].append(self.draw(self.pick(templates)))

  def maybe(self, probability, *templates):
    if self.chance(probability):
      self.say(*templates)

  def paragraph(self):
    self.paragraphs.append([])

  def fact(self, question, answer):
    self.facts.append((question, answer))

  def fill_slots(self, text):
    return SLOT.sub(lambda match: self.slots[match.group(1)], text)

  def fill(self, text):
    """Slots filled in and sentences begun with a capital."""
    text = self.fill_slots(text)
    return SENTENCE_START.sub(lambda match: match.group(1) + match.group(2).upper(), text)

  def text(self):
    return self.fill("\n\n".join(" ".join(sentences) for sentences in self.paragraphs))
