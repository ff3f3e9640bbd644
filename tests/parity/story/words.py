"""The words of the story grammar. One entry a line, fields separated by '|'."""


def table(text):
  return [tuple(field.strip() for field in line.split("|")) for line in text.strip().splitlines()]


# kind | home | what its kind does best
ANIMALS = table("""
fox|den|run
rabbit|burrow|dig
badger|burrow|dig
mole|tunnel|dig
dog|kennel|dig
mouse|hole|creep
hedgehog|nest of leaves|creep
lizard|crack in the wall|creep
beetle|hole|creep
ant|hill|creep
weasel|den|creep
squirrel|hollow tree|climb
cat|basket|climb
monkey|tree house|climb
raccoon|hollow tree|climb
koala|tree|climb
panda|cave|climb
owl|hollow tree|fly
crow|nest|fly
robin|nest|fly
sparrow|nest|fly
magpie|nest|fly
pigeon|loft|fly
parrot|nest|fly
goose|nest|fly
bat|cave|fly
duck|nest in the reeds|swim
swan|nest in the reeds|swim
otter|den|swim
beaver|lodge|swim
frog|pond|swim
turtle|pond|swim
seal|cave|swim
bear|cave|push
ox|barn|push
horse|stable|push
donkey|stable|push
goat|shed|push
moose|hollow|push
elephant|hut|push
pig|sty|push
camel|tent|reach
giraffe|tall shed|reach
heron|nest|fly
hare|hollow|run
deer|hollow|run
pony|stable|run
lamb|fold|run
wolf|den|run
lion|den|run
tiger|den|run
kitten|basket|climb
puppy|kennel|dig
hen|coop|none
snail|garden wall|none
""")

# kind | gender (f, m or any) | home | what it does best
PEOPLE = table("""
girl|f|cottage|none
boy|m|cottage|none
princess|f|castle|none
prince|m|castle|none
queen|f|castle|none
king|m|castle|none
witch|f|crooked house|fly
wizard|m|stone tower|none
knight|any|stone house|push
baker|any|bakery|none
farmer|any|farmhouse|reach
gardener|any|cottage|reach
painter|any|attic room|reach
miller|any|mill|reach
sailor|any|ship|climb
shepherd|any|hut|none
tailor|any|shop|none
carpenter|any|workshop|reach
fisherman|m|hut|swim
teacher|any|house|none
robot|any|workshop|reach
dragon|any|cave|fly
giant|any|great house|reach
pirate|any|ship|climb
ghost|any|old tower|fly
fairy|any|flower house|fly
""")
GROWN = "queen king witch wizard baker farmer gardener miller tailor carpenter fisherman teacher shepherd".split()

FEMALE = """Mia Ruby Tilly Anna Lucy Rosa Nora Ella Ivy Clara Wren Daisy Hazel Lily Poppy Maya Zoe Emma Olive Pearl Freya Molly
Alma Greta Nina Ada Betty Sally Fern Luna Marta Tess Willow Hetty Elsie Maud Petra Dora Lena Iris Gwen Bella Cora Flora June
Kitty Mabel Nell Opal Penny Rita Sofia Thea Vera Zelda Bonnie Edith Fiona Honey Jasmine""".split()
MALE = """Tom Ben Max Leo Finn Oscar Milo Sam Jack Hugo Felix Otto Toby Pip Rusty Bruno Henry Arlo Jasper Theo Noah Eli Barney Rufus
Monty Albert Casper Dexter Edgar Frank George Harold Ivan Jonas Karl Lewis Martin Ned Oliver Paul Quentin Ralph Simon Teddy Victor
Walter Zack Bertie Colin Duncan Ernie Gus Basil Conrad Ferdy Magnus Olaf Sid Wilbur Alfie""".split()

# noun | adjectives of its own | the owner liked to ... | c cloth, h hard, m moving parts
OBJECTS = table("""
key|brass,iron,rusty|open the garden gate with it|m
kite|striped,paper,big|fly it on the hill|c
bell|brass,copper,tiny|ring it at breakfast time|m
drum|wooden,round,loud|play it in the morning|c
flute|wooden,thin|play it under the stars|h
lantern|tin,bright,round|light it in the evening|h
map|old,folded,strange|look at it and dream of far places|c
hat|straw,woolly,tall|wear it on Sundays|c
scarf|woolly,striped,long|wear it on cold days|c
ball|rubber,bouncy,round|bounce it up and down|c
book|thick,old,picture|read it before bed|c
boat|toy,wooden,little|sail it on the pond|h
basket|straw,round,big|fill it with berries|h
umbrella|striped,big,spotted|walk with it in the rain|m
ring|thin,shiny,tiny|wear it on feast days|h
coin|shiny,old,foreign|spin it on the table|h
button|shiny,round,tiny|keep it in a little box|h
clock|wooden,loud,old|listen to it tick|m
mirror|round,tiny,old|make it flash in the sun|h
cup|tin,china,spotted|drink warm milk from it|h
teapot|china,round,spotted|make mint tea in it|h
spoon|wooden,long,shiny|stir soup with it|h
blanket|soft,woolly,warm|curl up under it|c
pillow|soft,round,warm|rest on it|c
doll|rag,wooden,tiny|tell it stories|c
marble|glass,round,shiny|roll it along the floor|h
whistle|tin,wooden,shiny|blow it loudly|m
paintbrush|thin,soft,wooden|paint pictures with it|h
pencil|long,striped,tiny|draw clouds with it|h
feather|soft,long,striped|wear it behind one ear|c
shell|smooth,striped,round|listen to the sea in it|h
necklace|glass,long,shiny|wear it at parties|h
crown|paper,shiny,tiny|wear it and play at kings and queens|h
ribbon|silk,long,striped|tie it in a bow|c
cap|woolly,striped,soft|wear it on windy days|c
fiddle|wooden,old,tiny|play it for the neighbours|m
trumpet|brass,shiny,loud|play it at sunset|m
telescope|brass,long,old|watch the moon through it|m
compass|brass,tiny,round|follow it on long walks|m
wagon|wooden,little,painted|pull it down the lane|m
sled|wooden,fast,painted|ride it down the hill|h
bucket|tin,wooden,big|carry water in it|h
rope|long,strong,striped|skip with it|c
lamp|glass,tall,bright|read by it at night|m
box|wooden,tin,painted|keep small treasures in it|h
jar|glass,round,big|keep honey in it|h
puppet|wooden,rag,funny|make it dance|m
bag|leather,big,striped|carry apples in it|c
spade|iron,little,strong|dig in the garden with it|h
broom|long,straw,old|sweep the path with it|h
kettle|copper,tin,round|boil water in it|m
cloak|long,warm,velvet|wear it on winter nights|c
pot|copper,iron,big|cook soup in it|h
train|toy,wooden,shiny|push it along the floor|m
comb|wooden,silver,tiny|use it every morning|h
bowl|wooden,china,deep|eat porridge from it|h
watch|silver,shiny,tiny|wind it every night|m
coat|warm,woolly,long|wear it in the snow|c
mitten|woolly,warm,tiny|wear it in the snow|c
top|wooden,spinning,painted|spin it on the floor|m
""")
COLOURS = "red blue green yellow golden silver purple white black orange brown pink".split()

TRAITS = table("""
shy|did not feel shy any more
brave|had been as brave as ever
clever|had used that clever head well
curious|was as curious as before
kind|knew that a kind heart is never poor
lazy|was not lazy any more
proud|was not too proud to say thank you
grumpy|was not grumpy any more
cheerful|was more cheerful than ever
quiet|talked and talked until bedtime
gentle|was as gentle as ever
careless|was never so careless again
sleepy|was much too happy to be sleepy
lonely|was not lonely any more
honest|was glad to be honest
impatient|had learned to wait
""")
SIZES = "little young small old tiny".split()

# place with its preposition | spots | dwellers call it
PLACES = table("""
in a green forest|under the old oak;behind the mossy log;among the ferns;in the hollow stump;by the berry bushes;beside the stream|forest
by a wide river|under the stone bridge;among the reeds;behind the willow;on the sandy bank;near the old boat|river
in a small village|behind the bakery;beside the well;under the market cart;near the school gate;on the church steps|village
near a busy harbour|behind the barrels;under the fishing nets;beside the lighthouse;on the long pier;near the blue boats|harbour
on a quiet farm|behind the barn;under the hay cart;beside the duck pond;near the apple trees;in the hen house|farm
at the foot of a high mountain|behind the grey rocks;beside the waterfall;in the dark cave;under the pine trees;near the goat path|mountain
in a big city|under the park bench;beside the fountain;behind the bus stop;near the bookshop;on the museum steps|city
on a sunny beach|behind the sand hill;among the shells;under the old pier;in the rock pool;beside the ice cream stand|beach
in a wild garden|under the rose bush;behind the shed;among the tall sunflowers;beside the pond;near the garden gate|garden
on a windy hill|behind the old mill;under the thorn tree;beside the stone wall;in the tall grass;near the sheep path|hill
in a deep valley|beside the brook;under the hazel tree;behind the round stones;among the bluebells;near the wooden bridge|valley
on a tiny island|under the palm tree;behind the tall rocks;beside the white tent;in the warm sand;near the landing place|island
in an old castle|behind the throne;under the long table;on the winding stairs;beside the great fire;in the castle kitchen|castle
at the edge of a snowy wood|under the snowy pine;behind the wood pile;beside the frozen pond;near the fence;in the snowdrift|wood
beside a still lake|among the water lilies;under the old boat;behind the reeds;on the wooden jetty;near the birch trees|lake
in a dusty desert|behind the red rock;beside the well;under the date palm;near the old tent;in the shadow of the dune|desert
""")

# season | weather words | what one sees
SEASONS = table("""
spring|sunny,fresh,windy,rainy|The first flowers were out;New leaves shone on every branch;The birds were busy with their nests
summer|hot,sunny,bright,warm|The bees hummed in the flowers;The sky was wide and blue;The grass was dry and warm
autumn|misty,windy,golden,rainy|Red leaves were falling;The apples were ripe;The wind smelled of smoke and leaves
winter|cold,snowy,frosty,grey|Snow lay on the ground;Ice hung from the roofs;The days were short and cold
""")

FAMILY = "grandmother grandfather mother father aunt uncle sister brother cousin".split()
TREATS = """honey cakes;warm soup;apple pie;blackberry jam;fresh bread;roasted nuts;pancakes;ginger biscuits;hot cocoa;plum tart;
mushroom stew;cheese and apples;oat porridge;pea soup;sweet buns""".replace("\n", "").split(";")
CLASSIC = "cake,flour:butter:honey;soup,carrots:onions:salt;pie,apples:flour:butter;bread,flour:yeast:salt;jam,berries:sugar:lemons"
RECIPES = [(dish, things.split(":")) for dish, things in (entry.split(",") for entry in CLASSIC.split(";"))]
SYLLABLES = "ba bo da do fa fi ga go ka ki la li lo ma mi mo na ni no pa po ra ri ro sa si so ta ti to va vi wa za zo bri tru ple sko".split()
ENDINGS = "n r l k t x m sh nd mp s".split()
