"""The plots: each tells a beginning, a problem and its end through the sentences of a Story."""
import grammar
import words

FOUND_TALK = [
  '"[thank you|oh, thank you|thank you so much], {G}!" [said|cried] {H}.',
  '"[you are|you are truly] a good friend, {G}," said {H}.',
  '"[how can I thank you|what can I do for you], {G}?" asked {H}. "[just be my friend|a smile is enough|tell me a story some day]," said {G}.',
]
NIGHT = [
  "That [night|evening], {H} put the {on} [beside {hs} bed|on a shelf|in a safe place] and [fell asleep at once|slept well|dreamed of {treat}].",
  "[when the stars came out|when the moon rose|at the end of the day], {H} and {G} [sat together and ate {treat}|shared {treat} and {treat2}|were still talking].",
  "[from that day on|after that|ever since], {H} and {G} were [the best of friends|good friends|never far apart].",
  "They [talked|sat by the fire|ate {treat} and laughed] until [the sun went down|the moon came up|it was dark].",
  "[then|late in the evening,] they [walked home together|went home arm in arm], [tired and happy|and the moon was bright|singing all the way].",
]


def opening(s, loves_object=True):
  """Who the hero is, where, and what the object means to the hero."""
  s.say("[once upon a time|once|long ago], there was {ha} named {H} who lived {inp}.",
        "{H} was {ha} who lived {inp}.",
        "{inp}, there lived {ha} named {H}.",
        "[once|long ago|once upon a time], {ha} named {H} lived {inp}.",
        "There was once {ha} [named|called] {H}. {H} lived {inp}.",
        "This is the story of {H}, {ha} who lived {inp}.")
  s.fact("Where did {H} live?", "{H} lived {inp}.")
  s.maybe(0.35, "{hs} home was a [small|cosy|warm|tidy|dusty] {hhome}.",
          "{h} had a [cosy|small|warm|neat] {hhome} and [many|a few|some good] neighbours.")
  s.maybe(0.3, "Everyone [said|knew] that {H} was a very {hadj} {hk}.",
          "{h} liked {treat} and [long walks|old songs|quiet mornings|funny stories].")
  if loves_object:
    s.say("{H} had {oa}[.|, and {h} was very proud of it.]",
          "{hs} {rel} had given {hm} {oa}[.| for {hs} birthday.]",
          "More than anything, {H} loved {hs} {o}.",
          "The best thing {h} had was {oa}.",
          "{h} took {hs} {o} [everywhere|with {hm} wherever {h} went].")
    s.fact("What did {H} have?", "{H} had {oa}.")
    s.maybe(0.7, "{h} [loved|liked] to {use}.", "{h} liked nothing better than to {use}.")


def day(s, beginning=None):
  """The sentence that begins the trouble's day; `beginning` continues after its comma."""
  start = "[one {weather} morning|one {weather} day|one {weather} afternoon|one morning in {season}|one day in {season}]"
  when = "when {sight}, " if s.chance(0.3) else ""
  s.say(start + ", " + when + (beginning or "{H} [went out for a walk|went outside|set out early]."))


def meet(s, how=None):
  """The helper comes in; `how` is what the helper was doing."""
  doing = how or "[came by|was passing by|was sitting in the shade|was resting nearby|was on the way home]"
  s.say("[just then|after a while|at that moment|then] {ga} named {G} " + doing + ".",
        "[then|soon] {h} met {ga}. {gs} name was {G}.",
        "{ga} [named|called] {G} " + doing + ".")


def ask(s, trouble):
  """The helper asks, the hero tells `trouble` in the first person."""
  s.say('"[what is wrong|what is the matter|why do you look so sad|can I help you]?" asked {G}. "' + trouble + '," said {H}.',
        '"[hello|good day|good morning], [little|my|dear] friend," said {G}. "[why do you look so sad|is something wrong|what has happened]?" "' + trouble + '," said {H}.',
        '{H} told {G} [everything|the whole story|what had happened]. "' + trouble + '," {h} [said|sighed].')


def ending(s, keeps=True):
  """`keeps`: the hero has the object now."""
  s.maybe(0.7, *NIGHT[0 if keeps else 1:])
  s.maybe(0.3, "[and|from then on,] {H} " + s.trait[1] + "." if s.slots["hadj"] == s.trait[0] else "It had been a [long|good|strange] day.")


def lost(s):
  """The object is lost, looked for in two places and found in the third."""
  s.topics += ["a lost {on}", "the lost {o}", "losing {oa}", "looking for {oa}"]
  opening(s)
  s.paragraph()
  day(s, "{H} [saw that the {on} was gone|looked for the {on}, but it was not there|saw that the {on} was missing].")
  s.say('"[oh no|oh dear], where is my {on}?" [cried|said|asked] {H}.', "{H} was [very sad|ready to cry|worried].",
        "{h} [felt sad|began to worry] and [looked everywhere|looked all around].")
  s.say("{h} looked {s1}, but [it was not there|there was nothing|found only a few dry leaves].",
        "First {h} looked {s1}. [there was nothing|it was not there].")
  s.maybe(0.75, "Then {h} looked {s2}, but [found only an old shoe|it was not there either|there was no {on}].",
          "{h} [searched|looked] {s2} too, but [the {on} was not there|found nothing].")
  meet(s)
  ask(s, "[I have lost|I cannot find] my {o}")
  s.paragraph()
  if s.chance(0.5):
    s.say('"I saw [something {oadj}|a {on}] {s3}," said {G}. "[come with me|let us look|follow me]."',
          '"Did you look {s3}?" asked {G}. "No," said {H}, and they went there together.')
    s.say("[there it was|and there it was]! The {o} was lying {s3}.", "They looked {s3}, and there was the {o}!",
          "And [really|yes], {s3} lay the {o}.")
  else:
    s.say('"Let us [look for it together|think|go back the way you came]," said {G}. "Where [were you|did you play] yesterday?"')
    s.say("{H} thought [hard|for a moment]. [yesterday {h} had sat|the day before, {h} had rested] {s3}!")
    s.say("They ran there, and the {o} was [still there|waiting for them|lying in the sun].",
          "[they hurried back|they went there at once], and {G} [saw|spotted] the {o} [first|right away].")
  s.fact("Where was the {on}?", "It was {s3}.")
  s.fact("Who helped {H}?", "{G} the {gk} helped {H}.")
  s.say(*FOUND_TALK)
  s.maybe(0.6, "{H} [hugged|held] the {on} [tight|with joy] and [danced|laughed|smiled].",
          "Now {H} could {use} again.")
  ending(s)


STUCK = {
  "tree": ("high up in [a tall pine tree|an old oak|an apple tree]", "tree", ("fly", "climb", "reach")),
  "roof": ("on the roof of [the mill|a barn|an old house]", "roof", ("fly", "climb", "reach")),
  "water": ("at the bottom of [the pond|a deep pool|the stream]", "water", ("swim",)),
  "hole": ("in a [deep|dark|narrow] hole", "hole", ("dig", "creep")),
  "rock": ("under a [big|heavy|fallen] rock", "rock", ("push", "dig")),
}
FETCH = {
  "fly": "{G} [flew up|rose into the air] and [came back with the {on}|brought the {o} down|took the {on} gently and flew back].",
  "climb": "{G} climbed up, [quick as the wind|hand over hand|step by step], and [brought the {o} down|came back with the {on}].",
  "reach": "{G} [stood up tall|stretched as far as {g} could|fetched a long ladder] and [took the {on} down|reached the {o} easily].",
  "swim": "{G} [dived into|jumped into|slipped into] the water and [came up with the {o}|soon brought the {on} to the bank].",
  "dig": "{G} began to dig. Earth flew [left and right|everywhere], and [soon the {o} was free|out came the {on}].",
  "creep": "{G} was [small|thin] enough to creep inside. [soon {g} pushed the {on} out|{g} came back with the {o}].",
  "push": "{G} pushed with all {gs} strength. The rock rolled away, and [there was the {o}|the {on} was free].",
}


def stuck(s):
  """The object is out of reach; the helper has the skill that the hero lacks."""
  place, name, skills = STUCK[s.pick([key for key in STUCK if s.hero["skill"] not in STUCK[key][2]])]
  fits = [kind for kind in [(k, "any", home, skill) for k, home, skill in words.ANIMALS] + words.PEOPLE if kind[3] in skills]
  s.helper = s.recast("G", fits, s.pick(words.SIZES + ["kind", "friendly", "strong"]))
  s.slots["trap"] = s.draw(place)
  s.topics += ["a {on} " + {"tree": "in a tree", "roof": "on a roof", "water": "in the water", "hole": "in a hole",
                           "rock": "under a rock"}[name], "{oa} that was stuck", "a {on} out of reach"]
  opening(s)
  s.paragraph()
  cause = {"tree": "[a strong wind|a gust of wind] took", "roof": "[a strong wind|a naughty magpie] took", "water": "{H} tripped and dropped",
           "hole": "{H} tripped and lost", "rock": "there was a loud crash, and a rock rolled over"}[name]
  day(s, cause + " the {o}.")
  s.say("[it|now it] was {trap}, [and {H} could not get it|where {H} could not reach it|far out of reach].")
  s.fact("Where was the {on} stuck?", "The {on} was {trap}.")
  tries = {"tree": "{H} jumped and jumped, but [the branch was too high|it was no use]|{H} threw a stick, but it [missed|fell down again]",
           "roof": "{H} jumped as high as {h} could, but [the roof was too high|it was no use]|{H} looked for a ladder, but there was none",
           "water": "{H} tried with a long stick, but [the water was too deep|it was too short]|{H} put one foot in, but the water was [cold|too deep]",
           "hole": "{H} reached inside, but [the hole was too deep|it was no use]|{H} tried with a stick, but it was too short",
           "rock": "{H} pushed and pulled, but the rock [did not move|was too heavy]|{H} pulled as hard as {h} could, but it was no use"}[name]
  s.say("[" + tries + "].")
  s.maybe(0.5, '"[what shall I do|what can I do now|I will never get it back]," [sighed|said] {H}.', "{H} sat down and [cried|thought|sighed].")
  meet(s)
  ask(s, "my {o} is {trap}")
  s.paragraph()
  s.say('"[do not worry|do not cry|that is easy for me|let me try|leave it to me]," said {G}.')
  s.say(FETCH[s.helper["skill"]])
  s.fact("Who helped {H}?", "{G} the {gk} helped {H}.")
  s.say(*FOUND_TALK)
  s.maybe(0.5, "Now {H} could {use} again.", '"[everyone is good at something|we can all do something well]," said {G}.')
  ending(s)


BREAK = {
  "c": ("[was torn|had a big hole in it|tore in two]", "a needle and [strong|blue|white] thread", "sewed"),
  "h": ("[had a long crack|broke in two|had a broken edge]", "a pot of [strong|good] glue", "glued"),
  "m": ("[would not work|was broken|stopped working]", "a [tiny|small] screw and a drop of oil", "mended"),
}


def broken(s):
  """The object breaks, by the hero's fault or another's; it is mended and something is learned."""
  broke, tool, verb = BREAK[s.material]
  s.slots.update(broke=s.draw(broke), tool=s.draw(tool), mended=verb)
  s.topics += ["a broken {on}", "mending {oa}", "{oa} that broke"]
  opening(s)
  s.paragraph()
  if s.chance(0.5):
    day(s, "{H} [ran too fast|was in a hurry|was not careful] and [fell over a root|tripped on a stone]. The {on} {broke}.")
    s.say('"[oh no|oh dear]! It is my own fault," [said|cried] {H}.', "{H} [looked at it and cried|did not know what to do|felt like crying].")
    meet(s)
    ask(s, "my {o} is broken")
    s.paragraph()
    s.say('"[let me see|show me|give it to me]," said {G}. {g} took out {tool}.',
          '"[I can help|we can mend it]," said {G}, and {g} [fetched|brought] {tool}.')
    s.say("[slowly and carefully|piece by piece|with great care], {g} {mended} the {on}, and {H} [helped|held it still|watched closely].")
    s.fact("Who mended the {on}?", "{G} the {gk} mended it.")
  else:
    s.say("{hs} [best friend|neighbour] was {ga} named {G}.")
    day(s, "{G} asked, \"may I [have|borrow|play with] your {on}?\" \"[yes|of course], but be careful,\" said {H}.")
    s.say("But {G} [dropped it|sat on it|was too wild], and the {on} {broke}.")
    s.fact("Who broke the {on}?", "{G} broke it.")
    s.say("{G} [was afraid to tell|wanted to hide it|did not sleep well that night]. [but in the morning|the next day|at last], {g} went to {H}.",
          "{G} [felt awful|turned red|wanted to run away], but {g} went to {H} and told the truth.")
    s.say('"I broke your {on}. [I am so sorry|I am very sorry]," said {G}.')
    s.paragraph()
    s.say("{H} was [sad|angry|upset] for a moment. Then {h} said, \"[thank you for telling me the truth|it was brave of you to tell me|I am glad you told me].\"")
    s.say("They got {tool}, and together they {mended} it.")
  s.say("[soon|in the end|before long], the {o} was [as good as new|whole again|almost like new].",
        "[when it was done|at last], the {o} looked [even better than before|as good as new].")
  s.say("{H} could {use} again, and [{G} clapped|they both laughed|everyone was happy].",
        '"[friends are worth more than any {on}|a friend is the best thing of all]," said {H}.', *NIGHT)
  ending(s)


FEARS = [
  ("the dark", "[the lights went out|it grew dark on the way home|night came early]", "the [shadows looked like monsters|night was black as ink]",
   '"the dark is only the day [asleep|with its eyes closed]"'),
  ("thunder", "[a storm came up|black clouds filled the sky|thunder rolled over the hills]", "the [sky roared|thunder made the windows shake]",
   '"thunder is only the clouds [bumping their heads|clapping their hands]"'),
  ("deep water", "{h} had to cross [the stream|a narrow bridge]", "the [water was dark and fast|water roared below]",
   '"look at the other side and not at the water"'),
  ("high places", "{h} had to climb [a steep path|the old tower]", "the [ground was far below|wind blew hard]",
   '"do not look down, look at the next step"'),
  ("strangers", "[a new family moved in|there was a knock at the door]", "a [strange voice called|face looked in at the window]",
   '"a stranger is only a friend you have not met"'),
]


def fear(s):
  """The hero is afraid; the helper's words and the object help."""
  what, event, detail, advice = s.pick(FEARS)
  s.slots["fear"] = what
  s.topics += ["being afraid of {fear}", "being brave", "{fear}"]
  opening(s, loves_object=False)
  s.say("But {H} had a secret: {h} was afraid of {fear}.", "There was only one thing that {H} did not like: {fear}.",
        "{H} was afraid of {fear}, but {h} never told anyone.")
  s.fact("What was {H} afraid of?", "{H} was afraid of {fear}.")
  s.paragraph()
  day(s, event + ".")
  s.say("{H} [shook from head to foot|could not move|wanted to hide], for " + detail + ".")
  meet(s, "[heard {hm} and came closer|saw {hm} and stopped]")
  s.say('"[are you all right|why are you shaking|what is it]?" asked {G}. "I am afraid of {fear}," [whispered|said] {H}.')
  s.say('"[that is all right|everyone is afraid of something|I was afraid too, once]," said {G}.')
  s.say("Then {g} gave {H} {oa}. \"[hold it tight|take this with you|keep it close]. It will [help you to be brave|give you courage],\" said {G}.")
  s.fact("What did {G} give to {H}?", "{G} gave {hm} {oa}.")
  s.maybe(0.7, "{G} smiled and said, " + advice[:-1] + '."')
  s.paragraph()
  s.say("{H} held the {on} [tight|in both hands|close] and took [a deep breath|one step, and then another].",
        "{H} looked at the {o}, [counted to ten|took a deep breath|closed {hs} eyes], and went on.")
  s.say("[it was not so bad|and nothing bad happened|step by step, it grew easier].", "{hs} heart beat fast, but {h} [did not stop|went on].")
  if what == "strangers":
    s.say("[the new neighbours were kind|soon everyone was laughing] and gave {H} {treat}.")
  else:
    s.say("[before {h} knew it|soon|at last], {H} was [safe at home|safe and dry|on the other side], and [{h} laughed|{h} was proud].")
  s.say('"I [did it|was afraid, but I did it]!" [cried|said|shouted] {H}. "[I knew you could|the courage was yours all along|well done]," said {G}.',
        "Later {H} wanted to give the {on} back. \"[keep it|it is yours now],\" said {G}. \"[the courage was yours|you may need it again].\"")
  s.maybe(0.6, "{H} still has the {o} today, and {h} is [no longer|not] afraid of {fear}.",
          "And when {H} sees someone who is afraid, {h} [lends them the {on}|tells them about the {o}].")
  ending(s)


def quarrel(s):
  """Two friends quarrel over the object, and are sorry."""
  s.topics += ["sharing {oa}", "a quarrel about {oa}", "two friends and {oak}", "sharing"]
  opening(s, loves_object=False)
  s.say("{hs} best friend was {ga} named {G}. [they did everything together|they met every day|they played from morning to night].")
  s.fact("Who was the best friend of {H}?", "The best friend of {H} was {G} the {gk}.")
  s.paragraph()
  day(s, "they found {oa} {s1}.")
  s.fact("What did they find?", "They found {oa} {s1}.")
  s.say('"[it is mine|I saw it first]," said {H}. "No, [it is mine|I saw it first]!" [cried|shouted] {G}.',
        "{H} wanted to {use}. But {G} wanted it too.")
  s.say("They [pulled and pulled|shouted at each other|did not speak for the rest of the day], and [both went home angry|neither of them was happy].")
  s.maybe(0.6, "{H} sat in {hs} {hhome} and [looked at the {on}|felt very lonely]. It was no fun [alone|without {G}].",
          "That night, {G} [could not sleep|lay awake]. [the {on} did not matter so much|{g} missed {H}].")
  s.paragraph()
  s.say("The next [day|morning], {H} took the {on} and went to {G}. \"[I am sorry|I was wrong|please forgive me]. [you can have it|a friend is better than any {on}],\" {h} said.",
        "The next [day|morning], they met {s2}. \"[I am sorry|please forgive me],\" they both said at the same time, and they laughed.")
  s.say('"[we can share it|it can be ours]," said {G}. "[you take it today, and I take it tomorrow|one day you, one day me|half the week each]."')
  s.say("So they shared the {o}, and [it was twice as much fun|nobody was sad any more|they never quarrelled about it again].",
        "From then on, the {o} belonged to both of them.")
  s.maybe(0.5, "Now they both liked to {use}.")
  ending(s)


def making(s):
  """A dish lacks things; neighbours give them for small favours, and all eat together."""
  dish, things = s.pick(words.RECIPES)
  things = s.shuffled(things)
  s.third()
  s.slots.update(dish=dish, i1=things[0], i2=things[1])
  s.topics += ["making {dish}", "a {dish} for a friend" if dish not in ("bread", "jam") else "{dish} for a friend", "cooking"]
  opening(s, loves_object=False)
  s.paragraph()
  day(s, "{H} wanted to make {dish} for {hs} {rel}. [but there was a problem|but something was missing]: {h} had no {i1} and no {i2}.")
  s.fact("What did {H} want to make?", "{H} wanted to make {dish}.")
  s.say("So {h} [took|picked up] {hs} {o} and went to [see|visit] {ga} named {G}.")
  s.say('"[please|dear {G}], do you have some {i1}?" asked {H}. "Yes," said {G}. "But [my roof leaks|my window is dirty|my wood is not cut|my garden is full of weeds]. Will you help me first?"')
  s.say("{H} helped [all morning|for an hour|as well as {h} could], and {G} gave {hm} the {i1}.")
  s.fact("Who gave {H} the {i1}?", "{G} the {gk} gave {hm} the {i1}.")
  s.say("Then {h} went to {ta} named {T}. \"[do you have|can you give me] some {i2}?\" asked {H}. \"[take all you need|of course, dear {H}|here you are],\" said {T}. \"[but first you must sing me a song|but tell me a story, too|and let me taste it later].\"")
  s.fact("Who gave {H} the {i2}?", "{T} the {tk} gave {hm} the {i2}.")
  s.paragraph()
  s.say("At home, {H} mixed the {i1} and the {i2} and [stirred and stirred|sang a song|washed {hs} {o}].",
        "{H} ran home and [lit the fire|put everything on the table|went to work].")
  s.say("Soon the {dish} was ready, and it smelled [wonderful|of summer|so good that everyone came].")
  s.say("{hs} {rel} was [very happy|so glad], and {H} called {G} and {T} to the table too.",
        "{H} invited {G}, {T} and {hs} {rel}, and [everyone had a big piece|they ate until nothing was left].")
  s.say('"[it is the best {dish} in the world|I never ate such good {dish}]," said {G}. "[because we all made it|because we made it together]," said {H}.',
        "[it tasted twice as good|it tasted best of all], because [everyone had helped|they had made it together].")


def little_one(s):
  """A lost child is brought home by a clue."""
  s.recast("G", [(k, "any", home, skill) for k, home, skill in words.ANIMALS], "little")
  s.slots["gadj"] = "lost"
  s.topics += ["a lost {gk}", "finding the way home", "a little {gk} who was lost"]
  opening(s)
  s.paragraph()
  day(s, "{H} heard [someone crying|a small voice|a sad little sound] {s1}.")
  s.say("It was {ga} named {G}. \"[I am lost|I cannot find my way home|I want to go home],\" [said|cried] {G}.")
  s.fact("Who was lost?", "{G} the {gk} was lost.")
  s.say('"[do not cry|do not be afraid]," said {H}. "[what can you see from your {ghome}|what is near your {ghome}|tell me about your {ghome}]?"')
  s.say('{G} [thought hard|dried {gs} eyes]. "[I remember a place|there is a spot] {s3}, and [my mother sings there|we play there every day]," {g} said.')
  s.say("{H} [gave {gm} some {treat}|let {gm} hold the {o}|took {gm} by the hand], and they [set out|started to walk].",
        "So that {G} would not be afraid, {H} let {gm} carry the {o}.")
  s.say("They [looked|searched] {s2}, but [it was the wrong place|nobody was there]. [they did not give up|they went on].",
        "They walked [a long way|up and down], and {G} grew tired.")
  s.paragraph()
  s.say("[at last|then], they came to the place. {s3}, {G} [stopped and listened|looked around]. [someone was singing|someone called {gs} name]!")
  s.say('"[that is my mother|mother, mother]!" cried {G}, and {g} [ran as fast as {g} could|ran and did not stop].')
  s.say("{G}'s mother [thanked {H} again and again|had tears in her eyes|hugged them both] and gave {hm} {treat2}.")
  s.say("{G} gave the {on} back. \"[come and see me soon|will you come again],\" {g} said. \"[I promise|I will],\" said {H}.",
        "Before {H} went home, {h} showed {G} how to {use}.", *NIGHT[2:3])


def contest(s):
  """In a race the hero stops to help, and wins or loses gladly."""
  s.third()
  s.topics += ["a race", "a race for {oa}", "winning {oa}", "a great race"]
  opening(s, loves_object=False)
  s.paragraph()
  day(s, "there was a great race. The prize was {oa}.")
  s.fact("What was the prize?", "The prize was {oa}.")
  s.say("{H} wanted to win, because then {h} could {use}. But {T}, {ta}, [was very fast|laughed and said, \"you will never win\"|wanted to win too].",
        "{T}, {ta}, [was sure of winning|always won]. {H} wanted to try [all the same|anyway].")
  s.say('"[ready, steady, go|one, two, three, go]!" [someone called|cried the crowd]. {T} was in front, and {H} ran [behind|as fast as {h} could].')
  s.say("[half way|near the end|then], {H} saw {ga} {s1}. It was {G}, and {g} [had hurt {gs} foot|was stuck in the mud|had fallen down].",
        "{s1} sat {ga} named {G}. \"[please help me|help], I [hurt my foot|cannot get up]!\" {g} called.")
  s.say("{H} [looked at the road ahead|thought of the {on}]. Then {h} stopped and [helped {gm} up|carried {gm} along|pulled {gm} out].",
        "{T} had run past. But {H} stopped [at once|without a thought] and helped {gm}.")
  s.fact("Whom did {H} help?", "{H} helped {G} the {gk}.")
  s.paragraph()
  if s.chance(0.5):
    s.say("So {T} won the race and got the {o}. [nobody laughed at {H}|{H} came last, but {h} did not mind].")
    s.fact("Who won the race?", "{T} the {tk} won the race.")
    s.say("But when {T} heard [what {H} had done|why {H} was late], {t} [blushed|was silent for a while]. \"[you are the true winner|this belongs to you],\" said {T}, and {t} gave {H} the {on}.")
  else:
    s.say('"[I know a short way|there is a path that no one knows|quick, this way]," said {G}, and [they hurried along it|{g} showed {hm} the path].')
    s.say("{H} came out just in front of {T} and won the race! {h} got the {o}, and [everyone cheered|the crowd clapped].")
    s.fact("Who won the race?", "{H} won the race.")
  s.say("{H} and {G} [shared the prize|took turns with the {on}|went home with the {o} between them].", "[kindness is never too slow|a good deed is never lost|helping is better than winning].", *NIGHT[1:3])
  ending(s)


def sound(s):
  """A strange sound in the night is somebody who needs the hero."""
  s.topics += ["a strange sound", "a noise in the night", "a mystery"]
  noise = s.pick(["tap, tap, tap", "bump, bump", "whoo, whoo", "scratch, scratch", "drip, drop, drip", "knock, knock"])
  s.slots["noise"] = noise
  opening(s)
  s.paragraph()
  s.say("One {weather} night, {H} [woke up|could not sleep|sat up in bed]. There was a strange sound: {noise}.",
        "One night in {season}, {h} heard a strange sound. {noise}, it went.")
  s.fact("What did {H} hear?", "{H} heard a strange sound: {noise}.")
  s.say('"Who is there?" [whispered|called|asked] {H}. [no one answered|there was no answer].', "{H} pulled the blanket over {hs} head. But the sound [did not stop|came again].")
  s.say("{h} took {hs} {o} [for luck|and went outside|to feel braver], and [looked {s1}|went to look {s1}]. [nothing was there|there was only the wind].",
        "[at last|then] {h} got up and took {hs} {o}. {h} looked {s1}, but [nobody was there|saw nothing].")
  s.say("[{noise}|there it was again]! [now it came from somewhere|it came from] {s2}.")
  s.paragraph()
  s.say("{H} [tiptoed closer|crept nearer|took a deep breath and looked]. {s2} sat {ga}[, all alone|, cold and wet|, as scared as {hm}].")
  s.say('"[please do not be angry|I did not want to scare you|I am sorry about the noise]," said the {gk}. "My name is {G}. [I was trying to build a bed|I have nowhere to sleep|I only wanted to get warm]."')
  s.fact("Who made the sound?", "{G} the {gk} made the sound.")
  s.say("{H} [laughed|was not afraid any more]. \"[come in|you can stay with me|come home with me], I have {treat},\" {h} said.")
  s.say("They [ate {treat}|sat by the fire] and {H} showed {G} the {o}.", "{H} gave {gm} a warm [corner|blanket] and let {gm} hold the {on}.")
  s.say("[since then|from that night on], when {H} hears {noise} at night, {h} [only smiles|knows that it is {G}].",
        "In the morning, they [were friends|built a bed for {G} together].", *NIGHT[2:3])


def gift(s):
  """A birthday, no money, and a gift that costs something else."""
  s.third()
  s.topics += ["a birthday", "a birthday present", "{oa} for a friend", "giving {oa} away"]
  opening(s, loves_object=False)
  s.say("{hs} best friend was {ga} named {G}. [soon it was {G}'s birthday|the next day was {G}'s birthday].")
  s.fact("Whose birthday was it?", "It was the birthday of {G} the {gk}.")
  s.paragraph()
  s.say("{H} wanted to give {G} {oa}, for {G} loved to {use}. But {h} had no [money|coins|pennies].",
        '"What can I give to {G}?" thought {H}. In the shop there was {oa}, but it cost too much.')
  s.say("So {h} went to [see|ask] {T}, {ta}. \"[can I work for you|have you any work for me]?\" asked {H}. \"[yes|of course],\" said {T}. \"[sweep my yard|carry my wood|pick my apples|feed my hens].\"",
        "{T}, {ta}, said, \"[help me in the garden|help me to paint my fence|carry these bags for me], and I will give you {oa}.\"")
  s.say("{H} worked [until the sun went down|all day long|for three days]. {hs} [feet|arms] hurt, but {h} [did not stop|sang a song|thought of {G}].")
  s.say("In the evening, {T} [smiled and gave {hm} the {o}|kept {ts} word and gave {hm} the {o}].")
  s.fact("Who gave the {on} to {H}?", "{T} the {tk} gave it to {hm}.")
  s.paragraph()
  s.say("[the next day|at the party|on the birthday], {G} opened the [box|paper], and there was the {o}! {G} [could not speak for joy|danced around the room|hugged {H}].")
  s.say('"[how did you get it|you remembered|where did you find it]?" asked {G}. {H} only [smiled|laughed] and [ate {treat}|gave {gm} {treat} too].',
        '"[it is the best present of all|I will keep it for ever]," said {G}.')
  s.say("Now {G} [could {use}|took the {on} everywhere], and {H} was [glad|as happy as if it were {hs} own].", *NIGHT[2:])
  ending(s, keeps=False)


def secret(s):
  """The hero keeps what is not the hero's, and gives it back."""
  s.topics += ["telling the truth", "{oak} that belonged to someone else", "a found {on}", "being honest"]
  opening(s, loves_object=False)
  s.paragraph()
  day(s, "{H} found {oa} {s1}.")
  s.fact("What did {H} find?", "{H} found {oa} {s1}.")
  s.say('"[how beautiful|what luck|finders keepers]," said {H}. {h} [hid it in {hs} {hhome}|put it in {hs} bag|took it home].')
  s.say("At first {h} was happy, because now {h} could {use}.", "{h} [thought of nothing else|wanted to keep it for ever].")
  s.say("[the next day|later|in the afternoon], {h} saw {ga} named {G}, who was [looking for something|very sad|crying]. \"[I have lost my {on}|my {o} is gone],\" said {G}. \"[my {rel} gave it to me|it is all I have from my {rel}].\"")
  s.fact("Who had lost the {on}?", "{G} the {gk} had lost it.")
  s.say("{H} said nothing and [went home|walked away]. But that night {h} [could not sleep|did not want to eat {treat}|looked at the {on}, and it was not beautiful any more].")
  s.paragraph()
  s.say("In the morning, {H} [ran|went] to {G} with the {o}. \"[I found it|I had it all the time], and I [should have told you|did not tell you]. I am sorry,\" {h} said.")
  s.say('{G} [was silent for a moment|looked at {hm}|took the {on} and held it]. "[thank you for the truth|it was not easy to tell me|you brought it back, and that is what counts]," {g} said.')
  s.say("{G} [let {H} try it too|asked {H} to stay], and they [shared {treat}|played until evening].",
        "{H} felt [light|as light as a feather]. [the truth had been heavy only at first|it is better to have a friend than {oak}].")
  ending(s, keeps=False)


def seed(s):
  """Something planted needs patience and water."""
  plant = s.pick(["sunflower", "apple tree", "pumpkin", "bean", "rose", "cherry tree"])
  s.slots.update(plant=plant, aplant=grammar.article(plant))
  s.topics += ["planting a seed", "growing {aplant}", "a garden", "waiting"]
  opening(s, loves_object=False)
  s.paragraph()
  s.say("One [day|morning] in spring, {hs} {rel} gave {hm} a seed. \"[this will be|it will grow into] {aplant} one day.\"")
  s.fact("What did {H} plant?", "{H} planted the seed of {aplant}.")
  s.say("{H} planted it {s1} and [marked the place with {hs} {o}|left {hs} {o} beside it].")
  s.say("{h} waited [one day, two days, three days|a whole week]. Nothing [happened|came up]. \"[it is dead|it does not like me|it takes so long],\" [said|sighed] {H}.")
  meet(s)
  s.say('"[seeds need time|good things take time|you must wait]," said {G}. "[give it water|sing to it] every day, and wait."')
  s.say("Then it did not rain for [two weeks|many days], and the earth grew [dry|hard]. {H} and {G} carried water [every evening|from the well|again and again].",
        "[a cold night came|a great wind came], and {H} and {G} [covered the place with leaves|sat beside it until morning].")
  s.fact("Who helped {H}?", "{G} the {gk} helped {H}.")
  s.paragraph()
  s.say("[one morning|at last], a tiny green leaf [stood in the sun|looked out of the earth]. \"[look, look|it is here]!\" [cried|shouted] {H}.")
  s.say("It grew and grew, and [by the end of summer|in the end], the {plant} was [taller than {H}|the finest of all|the pride of everyone].")
  s.say("{H} took {hs} {o} home again, and {G} [got the first fruit|was given the first seed|sat in its shade every day]." if plant not in ("sunflower", "rose")
        else "{H} took {hs} {o} home again, and {G} [was given the first seeds|came to see it every day].")
  s.say('"[you were right|it was worth the wait]," said {H}. "[good things take time|waiting is a kind of work too]."')
  ending(s)


def wish(s):
  """A magic thing grants wishes; the last one is spent on a friend."""
  s.topics += ["three wishes", "a magic {on}", "magic"]
  opening(s, loves_object=False)
  s.paragraph()
  day(s, "{H} found {oa} {s1}. [it was warm|it shone in the sun|it hummed softly].")
  s.fact("What did {H} find?", "{H} found a magic {on} {s1}.")
  s.say('"[I am a magic {on}|I can do magic]," said [a small voice|the {on}]. "[you have three wishes|I will give you three wishes]."')
  s.say('First {H} wished for {treat}. [there it was, a whole table full|at once there was a big heap on the table|{h} ate until {hs} tummy hurt].')
  s.say("Then {h} wished for [a golden coat|a bigger {hhome}|a hundred balloons|a soft bed of feathers]. [it was beautiful|{h} liked it], but [there was no one to see it|{h} was still alone].")
  s.say("[then|just then] {ga} named {G} came by, [who was cold and hungry|who had a broken leg|who could not find the way home|who was ill].")
  s.say('"[you have one wish left|think well]," said the {on}. {H} [looked at {G}|did not think long]. "I wish that {G} [is well and happy|has all that {g} needs]," {h} said.')
  s.fact("Whom did the last wish help?", "The last wish helped {G} the {gk}.")
  s.paragraph()
  s.say("At once {G} [smiled|stood up and danced|was well]. \"[thank you|you gave me your last wish]! [I will never forget that|that was kind of you],\" said {G}.")
  s.say("The magic was gone. The {on} was only {oa} now. But {H} [did not mind|had found a friend|was happier than before].",
        '"The wishes are gone," said {H}. "But [I have a friend|you are here]."')
  s.say("{H} kept the {o}, and [{G} often came to look at it|{h} and {G} often laughed about the three wishes].", *NIGHT[:3])
  ending(s)


def delivery(s):
  """Something must be carried far, past two obstacles."""
  s.third()
  s.topics += ["a long journey", "bringing {oa} to {T}", "carrying {oa} over the hills", "a long way"]
  opening(s, loves_object=False)
  s.paragraph()
  day(s, "{hs} {rel} said, \"please [take|bring] this {o} to {T} the {tk}. [it is a long way|the way is long], but {t} needs it [today|before night].\"")
  s.fact("To whom did {H} bring the {on}?", "{H} brought it to {T} the {tk}.")
  s.say("{H} [put the {on} in a bag|packed {treat}|took the {on}] and set out.")
  s.say("[soon|after an hour], {h} came to a [wide stream|river]. [there was no bridge|the bridge was gone]. \"[how can I get across|what now]?\" {h} [thought|asked].")
  s.say("{ga} named {G} [was sitting there|came along]. \"[I know where the stones are|there is an old boat|I will show you a dry way],\" said {G}. \"[may I come with you?|let us go together.]\"")
  s.fact("Who helped {H}?", "{G} the {gk} helped {H}.")
  s.say("Together they [crossed the water|came safely to the other side]. Then [a thick fog came down|it began to rain|it grew dark], and they [could not see the path|lost their way].")
  s.say("{H} [began to sing|called as loudly as {h} could|did not give up], and [far away someone called back|soon a little light shone in front of them].")
  s.paragraph()
  s.say("It was {T}, who had [come to meet them|put a lamp in the window]. {H} gave {tm} the {o}. \"[you came all this way|you brought it]! [what brave friends you are|how brave you are]!\" said {T}.")
  s.say("{T} [gave them {treat2} and a warm bed|made {treat2} for them], and [nobody was cold any more|they talked half the night].")
  s.say("[the next day|in the morning], {H} and {G} walked home, [and the way seemed short|and the way was not long at all|friends now].",
        "\"[a long way is short with a friend|the way was long, but I was not alone],\" said {H}.")
  ending(s, keeps=False)




PLOTS = [lost, lost, stuck, stuck, broken, fear, quarrel, making, little_one, contest, sound, gift, secret, seed, wish, delivery]
