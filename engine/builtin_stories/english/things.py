"""Plots about things: lost, broken, built, stuck in a tree, buried in a messy room."""

from itertools import permutations

from engine.builtin_stories.english.story import Plot
from engine.builtin_stories.english.words import BREAKABLE_TOYS, COLORS, PLACES, ROOM_SPOTS, SOFT_THINGS, SPOTS, table

LOST_THING = Plot(
    """
- {His} favorite thing was a {color} {toy}. | {hero} had a {color} {toy} and took it everywhere.
| {hero} loved {his} {color} {toy} more than anything. | For {his} birthday, {hero} got a {color} {toy}.

- {One_day}, {hero} took the {toy} to {place}. | {One_day}, {hero} went to {place} with the {color} {toy}.
- {He} ran and played for a long time. | {hero} jumped and ran and rolled on the ground.
| {He} {danced} and played until {he} was tired.
- But when it was time to go home, the {toy} was gone! | Then {hero} looked around. The {toy} was gone!
| "Where is my {toy}?" {hero} cried. It was not there!
? @cried

- @friend_came
- "I lost my {color} {toy}," said {hero}. | "I can not find my {toy}," {hero} said.
| "My {color} {toy} is gone," said {hero}.
- "Let us look for it together," said {friend}. | "Do not worry. We will find it," said {friend}.
- First they looked {wrong_spot}, but it was not there.
| They looked {wrong_spot}, but the {toy} was not there. | They did not find the {toy} {wrong_spot}.
- Then {friend} looked {spot}. There was the {color} {toy}! | {At_last}, they looked {spot}, and there it was!
| Then {hero} saw something {color} {spot}. It was the {toy}!

- @thanked_friend
- {hero} held the {toy} tight all the way home. | That night, the {color} {toy} slept next to {hero}.
| From that day on, {hero} took good care of the {color} {toy}.
| {hero} never left the {toy} {in_place} again.
""",
    color=COLORS,
    toy=SOFT_THINGS,
    place=PLACES,
    spots=[{"spot": spot, "wrong_spot": wrong} for spot, wrong in permutations(SPOTS, 2)],
)

BROKEN_TOY = Plot(
    """
- {hero} had a {color} {toy} and played with it every day. | {hero}'s best toy was a {color} {toy}.
| {hero} had a {nice} {color} {toy}. It was a gift from {his} {parent}.

- {One_day}, {hero} played too fast, and the {toy} fell on the floor.
| {One_day}, {hero} dropped the {toy} on the stairs. | {One_day}, {hero} stepped on the {toy} by mistake.
- Crack! The {part} broke off. | There was a loud crack. The {part} came off!
| Oh no! The {part} of the {toy} was broken.
- @cried
- {hero} took the {toy} to {his} {parent}. | {His} {parent} heard the noise and came to {hero}.
- "{Parent}, my {toy} is broken," {he} said. | "Look, {Parent}! The {part} came off," said {hero}.
| "Can you fix my {toy}, {Parent}?" {he} asked.

- "Do not cry, {hero}," said {his} {parent}. "We can fix it."
| "We will fix it together," said {his} {parent}.
| "Let me see," said {his} {parent}. "I think we can fix it, {hero}."
- They found some glue in a drawer. | {His} {parent} got the glue from the shelf.
| They sat down at the table with a pot of glue.
- {hero} held the {part}, and {his} {parent} put glue on it.
| {hero} and {his} {parent} pushed the {part} back with some glue.
| {hero} put a drop of glue on the {part} and pushed it back.
? Then they waited until the glue was dry. | They waited for an hour. It was hard to wait!

- The {color} {toy} was as good as new. | {At_last}, the {toy} was whole again.
| Now the {part} was strong, and {hero} could play with the {toy} again.
- @thanked_parent | @rejoiced
- From then on, {hero} was careful with the {toy}.
| After that, {hero} always put the {toy} back on the shelf.
| {hero} learned that many broken things can be fixed.
""",
    color=COLORS,
    toy=BREAKABLE_TOYS,
)

BUILDING = Plot(
    """
- {hero} loved to make things. | {hero} liked to build things all day long.
| {He} was always busy with {his} hands.

- {One_day}, {hero} wanted to build a {thing}.
| {One_day}, {hero} had an idea. "I will build a {thing}!" {he} said.
| {One_day}, {hero} said, "I want to make the best {thing} in the world."
- {He} got some {stuff} and started to work. | {hero} found some {stuff} and worked very hard.
| {He} made it out of {stuff}.
- But {trouble}! | {Soon} it was done, but {trouble}. | It looked good, but {trouble}.
- @cried | "Oh no, my {thing}!" cried {hero}.

- @friend_came
- {hero} told {friend} about the {thing}. | "I worked so hard on my {thing}," said {hero}.
| "I can not build a {thing}," {hero} said.
- "We should {fix}," said {friend}. | "I know! We can {fix}," said {friend}.
| {friend} had an idea. "This time, let us {fix}," {friend} said.
- So {hero} and {friend} tried again. | {hero} and {friend} worked side by side.
| They started again, and this time they worked together.

- {Soon}, the new {thing} was ready. | This time it worked. It was a {nice} {thing}!
| {At_last}, the {thing} was done, and it was even better than before.
? {friend} put a {color} flag on it. | They put a {color} ribbon on it.
- @thanked_friend | "We did it!" shouted {hero} and {friend}.
- {hero} learned that work is easier with a friend. | {hero} was {proud} of the {thing}.
| {hero} and {friend} played with the {thing} until dinner.
""",
    color=COLORS,
    thing=table("""
        thing | stuff | trouble | fix
        tower | blocks | it fell down | put the big blocks at the bottom
        castle | sand | a wave washed it away | build it far from the water
        tree house | old boards | one board fell off | use more nails
        boat | wood | it was full of water | close the hole with wax
        kite | paper and sticks | it did not fly | give it a longer tail
        fort | boxes | the roof fell in | put a strong box in the middle
        bird house | wood | the roof came off | use more nails
    """),
)

STUCK_IN_A_TREE = Plot(
    """
- {He} had a new {color} {toy}. | {hero} had a {nice} {color} {toy}.
| {hero}'s {parent} gave {him} a {color} {toy}.

- {One_day}, {hero} took it to {place}. | {One_day}, {hero} played with the {toy} {in_place}.
- The wind was strong. It blew the {toy} up into a tree.
| Then a big wind came, and the {toy} flew up into a tree.
| The wind took the {toy} and carried it into a tall tree.
- {hero} jumped and jumped, but the tree was too high.
| {hero} tried to climb the tree, but {he} was too small.
| {hero} threw a stick at it, but the {toy} did not move.
- "Please help me!" {hero} called. | "My {toy} is stuck!" cried {hero}. | @cried

- {Helper} heard {hero} and came to the tree. | {Helper} saw {hero} next to the tree.
- "Is that your {toy}?" asked {the_helper}. "I can help."
| "Do not cry," said {the_helper}. "I will get it for you."
| "That is very high," said {the_helper}. "But I have an idea."
- {The_helper} {method}. | Then {the_helper} {method}.
- {Soon}, the {color} {toy} was down on the ground. | Down came the {color} {toy}!
| The {toy} fell down into {hero}'s arms.

- "Thank you so much!" said {hero}. | {hero} said thank you and {smile}.
? To say thanks, {hero} gave {the_helper} a {snack}. | {hero} let {the_helper} play with the {toy}, too.
| {hero} and {the_helper} shared a {snack} under the tree.
- After that, {hero} only played with the {toy} far from the trees.
| {hero} went home with the {toy} in {his} arms. | Then {hero} ran home to tell {his} {parent} all about it.
| {hero} was {glad} to have the {toy} back.
""",
    color=COLORS,
    toy=("kite", "paper plane", "ball", "toy plane"),
    place=PLACES,
    snack=("cookie", "muffin", "pear", "cupcake"),
    helper=table("""
        helper | the_helper | method
        a tall man | the man | got a long ladder and climbed up
        a kind woman | the woman | pushed it down with a long stick
        a farmer | the farmer | went up the tree with a ladder
        a monkey | the monkey | climbed to the top and threw it down
        a big elephant | the elephant | shook the tree with its long trunk
        a friendly bird | the bird | flew up and pushed it down
    """),
)

MESSY_ROOM = Plot(
    """
- {hero} did not like to clean {his} room. | {hero}'s room was always a mess.
| {hero} never put {his} things away.
? There were toys and clothes all over the floor. | There were books on the bed and socks on the lamp.

- {One_day}, {hero} wanted to {aim}, but {he} could not find {his} {color} {item}.
| {One_day}, {a_friend} asked {hero} to {aim}. But where was {hero}'s {color} {item}?
- {hero} looked {wrong_spot}, but it was not there. | {He} looked {wrong_spot}. No {item}!
| It was not {wrong_spot}.
- "{Parent}, have you seen my {item}?" asked {hero}. | "I can not find my {item}, {Parent}!" cried {hero}.

- "This room is a mess, {hero}," said {his} {parent}.
| "First you must clean up, {hero}," said {his} {parent}.
? "If we clean up, we will find it," {phe} said. | "I will help you," {phe} said.
- So {hero} put the books on the shelf and the toys in the box.
| {hero} picked up the clothes, the books and the toys.
? {His} {parent} helped {him} with the socks. | {hero}'s {parent} sang a song, and the work went fast.
- Then {hero} looked {spot}. There was the {color} {item}! | And there, {spot}, was the {color} {item}!

- "I found it!" {hero} shouted. | @rejoiced | @thanked_parent
- Now {hero} could {aim}. | With the {item}, {hero} could {aim} at last.
- From that day on, {hero} put {his} things away every night.
| After that, the {color} {item} had its own place on the shelf.
| And {hero} saw how {nice} a clean room can be.
""",
    color=COLORS,
    item=table("""
        item | aim
        ball | play outside
        hat | go out in the sun
        bag | go to school
        paint box | paint a picture
        boot | walk in the woods
        kite | play in the wind
        swimsuit | go to the pool
    """),
    spots=[{"spot": spot, "wrong_spot": wrong} for spot, wrong in permutations(ROOM_SPOTS, 2)],
)

SURPRISE = Plot(
    """
- {hero} loved {his} {parent} very much. | {hero}'s {parent} worked hard every day.
| {hero} liked to make gifts.

- {One_day}, {hero} wanted to make a surprise for {his} {parent}.
| {Parent}'s birthday was near, and {hero} wanted to make a gift.
| It was almost {his} {parent}'s birthday. "I will make a surprise," said {hero}.
- {He} wanted to make {a_gift}. | "I will make {a_gift}!" {hero} thought.
| {hero} had an idea. {He} would make {a_gift}.
- But {he} had no {need}. | But {hero} did not have any {need}.
| {He} looked all over the house, but there was no {need}.
- @cried | "What can I do?" {hero} asked. | "No {need}, no {gift}," {hero} said.

- @friend_came
- "I want to make {a_gift} for my {parent}, but I have no {need}," said {hero}.
| "I need {need} for a surprise," {hero} said.
- "I have some {need} at home," said {friend}. "You can have it." | "Take my {need}, {hero}!" said {friend}.
- "Can I do something for you, too?" asked {hero}. "Just be my friend," said {friend}. | @thanked_friend
? {hero} worked all day in {his} room. | {hero} closed the door and worked on the {gift}.
| {hero} worked on the {gift} until it was {nice}.

- "Surprise!" {hero} shouted, and gave {his} {parent} the {gift}.
| In the evening, {hero} said, "{Parent}, close your eyes. Surprise!"
- {His} {parent} looked at the {gift} and had happy tears.
| {His} {parent} asked, "Did you make this {gift}, {hero}? It is so {nice}!"
? "It is the best gift in the world," {phe} said. | {His} {parent} hugged {hero} for a long time.
| {hero} was {proud} of the {gift}.
""",
    gift=table("""
        gift | a_gift | need
        card | a card with a big heart | red paper
        necklace | a necklace | string
        picture | a picture of the family | paint
        scarf | a warm scarf | wool
        box | a little box | wood
        pillow | a soft pillow | cloth
        cup | a cup with flowers on it | clay
        crown | a golden crown | shiny paper
    """),
)

PLOTS = (LOST_THING, BROKEN_TOY, BUILDING, STUCK_IN_A_TREE, MESSY_ROOM, SURPRISE)
