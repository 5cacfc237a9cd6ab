"""Word lists of the English story grammar. Every word here comes back in thousands of stories."""


def table(text: str) -> list[dict[str, str]]:
    """Rows of slots that belong together. The first line names the slots; ` | ` parts the columns."""
    slots, *rows = ([cell.strip() for cell in line.split(" | ")] for line in text.strip().splitlines())
    return [dict(zip(slots, row, strict=True)) for row in rows]


GIRLS = (
    "Lily", "Mia", "Anna", "Sara", "Emma", "Zoe", "Lucy", "Ella",
    "Ruby", "Nora", "Rosie", "Molly", "Amy", "Clara", "Maya", "Ivy",
)  # fmt: skip
BOYS = (
    "Tom", "Ben", "Max", "Sam", "Leo", "Tim", "Jack", "Finn",
    "Noah", "Omar", "Oscar", "Luke", "Theo", "Adam", "Henry", "Hugo",
)  # fmt: skip
CHILDREN = (
    *({"name": name, "kind": "girl", "he": "she", "him": "her", "his": "her"} for name in GIRLS),
    *({"name": name, "kind": "boy", "he": "he", "him": "him", "his": "his"} for name in BOYS),
)

ANIMALS = ("rabbit", "bear", "mouse", "fox", "squirrel", "kitten", "puppy", "hedgehog", "otter", "panda")

PARENTS = table("""
    parent | phe | phim | phis
    mom | she | her | her
    dad | he | him | his
    grandma | she | her | her
    grandpa | he | him | his
""")

SIZES = ("little", "small", "little", "young", "tiny")
TRAITS = ("kind", "happy", "clever", "shy", "quiet", "funny", "gentle", "curious", "cheerful")
JOYS = table("""
    dance | danced
    dance | danced
    sing | sang
    jump | jumped
    clap | clapped
    skip | skipped
    laugh | laughed
    hum | hummed
""")
CHILD_HOMES = (
    "in a small town", "in a little house by the sea", "in a yellow house", "near a big park",
    "at the end of a long street", "on a farm", "in a village near the hills", "in a tall house in the city",
)  # fmt: skip
ANIMAL_HOMES = (
    "in a big forest", "by a quiet river", "under an old tree", "in a little house near the woods",
    "on a green hill", "at the edge of a farm", "in a warm hole under the ground", "near a blue lake",
)  # fmt: skip
DAYS = (
    "one day", "one morning", "one afternoon", "one sunny day", "one fine morning", "one warm day",
    "one Sunday", "on Saturday", "one bright day", "one spring day",
)  # fmt: skip

COLORS = ("red", "blue", "green", "yellow", "pink", "purple", "orange", "white", "brown")
SOFT_THINGS = ("teddy bear", "doll", "ball", "hat", "scarf", "robot", "truck", "car", "puppet", "toy horse")
BREAKABLE_TOYS = table("""
    toy | part
    car | wheel
    truck | door
    train | wheel
    robot | arm
    doll | leg
    boat | sail
    plane | wing
    wooden horse | leg
    puppet | arm
""")
PLACES = table("""
    place | in_place
    the park | in the park
    the forest | in the forest
    the meadow | in the meadow
    the river | by the river
    the lake | by the lake
    the hill | on the hill
    the playground | at the playground
    the garden | in the garden
""")
SPOTS = (
    "under a bush", "behind a big rock", "in the tall grass", "behind a tree", "under a bench",
    "in a pile of leaves", "between two stones", "next to the path", "behind the fence",
)  # fmt: skip
ROOM_SPOTS = (
    "under the bed", "behind the door", "under a pile of clothes", "in the big box", "behind the chair",
    "on the top shelf", "under the table", "between the books",
)  # fmt: skip
SNACKS = table("""
    snack | snacks
    apple | apples
    cookie | cookies
    sandwich | sandwiches
    pear | pears
    banana | bananas
    muffin | muffins
    peach | peaches
    pancake | pancakes
    cupcake | cupcakes
""")
GAMES = ("hide and seek", "tag", "catch", "pirates", "a game", "ball")
HUNGRY = table("""
    stray | food | sound
    cat | milk | meow
    bird | bread | tweet
    duck | corn | quack
    goat | grass | baa
    dog | meat | woof
    pony | carrots | neigh
    owl | seeds | hoo
""")

# Slots that are chosen afresh at each use.
SYNONYMS = {
    "sad": ("sad", "very sad", "upset"),
    "glad": ("happy", "very happy", "so happy", "glad", "full of joy"),
    "proud": ("proud", "very proud", "so proud"),
    "nice": ("nice", "lovely", "pretty", "beautiful"),
    "tasty": ("tasty", "sweet", "yummy", "delicious"),
    "soon": ("Soon", "After a while", "Before long", "A little later"),
    "at_last": ("At last", "Finally", "In the end"),
    "smile": ("smiled", "laughed"),
}

# Ways to say what more than one plot says: `- @cried` in a script.
SHARED = {
    "cried": (
        "{hero} felt {sad}.",
        "{hero} was sad and began to cry.",
        "A tear ran down {hero}'s face.",
        "{hero} sat down and cried.",
        "{hero} did not know what to do.",
    ),
    "friend_came": (
        '{A_friend} came by. "What is wrong, {hero}?" asked {friend}.',
        'Just then, {a_friend} walked by. "Why are you sad?" asked {friend}.',
        '{A_friend} saw {him} and came over. "Are you okay, {hero}?" {friend} asked.',
        'Then {hero} saw {a_friend}. "Can I help you?" {friend} asked.',
    ),
    "thanked_friend": (
        '"Thank you, {friend}!" said {hero}.',
        '{hero} gave {friend} a big hug. "Thank you!" said {hero}.',
        '"You are a good friend, {friend}," said {hero}.',
        '"Thank you for your help, {friend}," {hero} said with a smile.',
        '{hero} hugged {friend} and said, "You are the best!"',
    ),
    "thanked_parent": (
        '"Thank you, {Parent}!" said {hero}.',
        "{hero} gave {his} {parent} a big hug.",
        '{hero} hugged {his} {parent} and said, "Thank you!"',
        '"You are the best, {Parent}!" said {hero}.',
    ),
    "rejoiced": (
        "{hero} was {glad}.",
        "{hero} was so happy that {he} {danced}.",
        "{hero} {danced} with joy.",
        "{hero} smiled a big smile.",
        '"Hooray!" {hero} shouted, and {he} {danced} with joy.',
    ),
}
