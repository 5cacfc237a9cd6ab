"""Plots about friends: meeting, sharing, helping, saying sorry."""

from engine.builtin_stories.english.story import Plot
from engine.builtin_stories.english.words import (
    BREAKABLE_TOYS,
    COLORS,
    GAMES,
    HUNGRY,
    PLACES,
    SNACKS,
    SOFT_THINGS,
    table,
)

NEW_FRIEND = Plot(
    """
- {hero} had just moved to a new home and had no friends yet. | {hero} had many toys, but no one to play with.
| {hero} wished for a friend. | {hero} was often alone and wanted a friend.

- {One_day}, {hero} went to {place} with a {color} {toy}. | {One_day}, {hero} took a {color} {toy} to {place}.
- There {he} saw a {friend_kind} who sat all alone. | A {friend_kind} was there, too, all alone.
- {hero} wanted to say hello, but {he} was too shy. | {hero} was afraid to say a word.
| "What if we do not get along?" {hero} thought.
- {He} took a deep breath. | {hero} thought about it, and then {he} was brave.
| {hero} did not want to be alone any more.

- "Hello, my name is {hero}," {he} said. "What is your name?" | "Hi! I am {hero}," said {hero}. "Who are you?"
- "I am {friend}," said the {friend_kind}. "I have no friends here."
| "My name is {friend}," the {friend_kind} said. "I like your {toy}."
- "Do you want to play {game}?" asked {hero}. | "Shall we play {game}?" {hero} asked.
| "Let us play {game}!" said {hero}.
- {friend} smiled and said yes. | "Yes, please!" said {friend}. | "I would love to," said {friend}.
- {hero} and {friend} played until the sun went down. | They played and laughed all day.
| {hero} let {friend} hold the {color} {toy}.

- When it was time to go, {hero} gave {friend} the {color} {toy}. "See you soon," {hero} said.
| "Will you come back tomorrow?" asked {friend}. "Of course!" said {hero}.
| "I had a lot of fun," said {friend}. "Me too," said {hero}.
- From that day on, {hero} and {friend} were best friends. | {hero} was not alone any more. {He} had a friend.
| {hero} ran home and said, "{Parent}, I have a new friend!"
| After that, {hero} and {friend} met {in_place} every day.
""",
    color=COLORS,
    toy=SOFT_THINGS,
    place=PLACES,
    game=GAMES,
)

SHARING = Plot(
    """
- {hero} always wanted {snacks} for lunch. | {hero} liked {snacks} more than any other food.
| {hero} did not like to share.

- {One_day}, {his} {parent} gave {hero} a {snack}. | {One_day}, {hero} had a {snack} in {his} bag.
- {hero} sat down {in_place} to eat it. | {hero} took it to {place} and sat down under a tree.
- Then {a_friend} came by. {friend} looked at the {snack}.
| {A_friend} was there, too, and {friend} looked {sad}.
- "I forgot my lunch," said {friend}. "I am so hungry."
| "That looks good," said {friend}. "I have no food today."
| "My tummy is empty," said {friend}. "Can I have a bite?"
- "No, this is mine!" {hero} said. | At first, {hero} held the {snack} tight.
| {hero} wanted to eat it all alone. "It is mine," {he} said.
- {friend} sat down and looked at the ground. | {friend} turned around and was very quiet.
| A tear ran down {friend}'s face.

- {hero} saw this and felt bad. | Then the {snack} did not look so good any more.
| {hero} looked at {friend} and felt bad.
- So {hero} gave half of the {snack} to {friend}.
| "Wait, {friend}! You can have half of my {snack}," said {hero}.
| "I am sorry," said {hero}. "Let us share the {snack}."
- "Thank you, {hero}!" said {friend}, and took a big bite. | {friend} smiled. "You are very kind, {hero}!"
? {hero} and {friend} ate the {snack} together. | The {snack} tasted even better now.

- The next day, {friend} had {a_treat} and gave half to {hero}.
| The next day, {friend} came with {a_treat}. "This is for you, {hero}!"
- {hero} said, "Sharing is fun!" | {hero} was {glad}. | {hero} learned that a shared {snack} tastes best.
| And from then on, {hero} and {friend} always shared.
""",
    snack=SNACKS,
    a_treat=("a big orange", "a bag of nuts", "a piece of cake", "a bowl of berries", "a box of dates"),
    place=PLACES,
)

HUNGRY_ANIMAL = Plot(
    """
- {hero} loved animals very much. | {hero} wanted to have a pet. | {hero} always looked after small animals.
| {hero} had a warm heart.

- {One_day}, {hero} walked to {place}. There {he} heard a sound. "{Sound}, {sound}!"
| {One_day}, {hero} was {in_place}. "{Sound}!" said a small voice.
- It was a {color} {stray}. It was thin and cold. | {hero} looked around and saw a thin {color} {stray}.
? "Are you hungry, little {stray}?" asked {hero}. | "Poor {stray}! You need some food," said {hero}.
? The {stray} looked at {hero} with big eyes. | "{Sound}," said the {stray} and closed its eyes.
| The {stray} was too weak to run away.

- {hero} ran home to {his} {parent}. "{Parent}, there is a hungry {stray}!" {he} said.
| {hero} ran to {his} {parent} and said, "{Parent}, I need some {food}!"
- {His} {parent} gave {hero} some {food} and an old blanket.
| "You can have some {food}, {hero}," said {his} {parent}.
- {hero} put the {food} down in front of the {stray}. | {hero} went back and gave the {food} to the {stray}.
- At first, the {stray} was afraid. Then it came and ate. | The {stray} ate every bit. "{Sound}!" it said.
- {hero} came back every day with {food}. | Every day, {hero} brought {food}, and the {stray} grew strong.

- {twist}
? "Thank you, little {stray}!" said {hero}. | {hero} {danced} with joy. | "What a good {stray}!" said {hero}.
- From then on, {hero} and the {stray} were friends. | {hero} gave the {stray} a name: {pet}.
| And the {stray} always came when {hero} called.
""",
    stray=HUNGRY,
    color=("white", "brown", "black", "gray"),
    pet=("Star", "Cloud", "Lucky", "Button", "Pepper", "Snow"),
    place=PLACES,
    twist=(
        "One evening, {hero} lost {his} way. The {stray} came and led {him} home.",
        "Then {hero} lost {his} hat. The next day, the {stray} came with the hat!",
        "One day, {hero} was sad. The {stray} stayed with {him} until {he} smiled.",
        "On {hero}'s birthday, the {stray} came with a shiny stone as a gift.",
        "One night, {hero} fell in the mud. The {stray} called so loudly that {his} {parent} came to help.",
    ),
)

SAYING_SORRY = Plot(
    """
- {hero}'s best friend was {friend_full}. | {hero} had a good friend named {friend_full}.
| {hero} and {a_friend} played together every day.

- {One_day}, {friend} had a new {color} {toy}. | {One_day}, {friend} had a {nice} new {toy}. It was {color}.
- "You can play with it, but be careful," said {friend}.
| "You can hold my {toy}, {hero}," said {friend}. "But be careful!"
- But {hero} was not careful. The {toy} fell, and the {part} broke.
| But {hero} ran too fast and dropped it. The {part} broke off.
- {hero} was scared. {He} hid the {toy} under {hide}.
| Before {friend} could see it, {hero} hid the {toy} under {hide}.
- "Where is my {toy}?" asked {friend}. "I do not know," said {hero}.
| "Where is the {toy}?" {friend} asked. {hero} did not say a word.
| "Did you see my {toy}, {hero}?" asked {friend}. "No," {hero} lied.

- That night, {hero} could not sleep. | {hero} could not eat {his} dinner.
| {hero} had a bad feeling in {his} tummy.
- {He} told {his} {parent} about it.
| "What is wrong, {hero}?" asked {his} {parent}. {hero} told {phim} about it.
- "You must tell {friend} the truth," said {his} {parent}.
| "It is never too late to say sorry, {hero}," said {his} {parent}.

- The next day, {hero} went to {friend} with the {toy}. | In the morning, {hero} took the {toy} to {friend}.
- "I broke your {toy}. I am sorry, {friend}," {hero} said.
| "I am so sorry, {friend}," said {hero}. "I broke the {part}."
- "Thank you for telling the truth," said {friend}. | "I am not angry, {hero}," said {friend}.
| "It is okay, {hero}. We can fix it," said {friend}.
- Together they put the {part} back. | {hero} and {friend} fixed the {toy} with glue.
- {hero} and {friend} were still best friends. | {hero} never lied to {friend} again.
| {hero} felt {light} and happy. | Then {hero} and {friend} played again.
""",
    color=COLORS,
    toy=BREAKABLE_TOYS,
    hide=("a bush", "the bed", "a box", "a blanket", "the leaves"),
    light=("light", "free", "good"),
)

SICK_FRIEND = Plot(
    """
- Every day, {hero} played {in_place} with {a_friend}. | {hero} and {a_friend} met {in_place} every day.

- {One_day}, {friend} did not come out to play.
| {One_day}, {hero} waited for {friend}, but {friend} did not come.
- {hero} went to {friend}'s house and knocked on the door. | So {hero} ran to {friend}'s house.
- {friend} was in bed with {ill}. | {friend} was sick with {ill}.
- "I can not play today," {friend} said in a weak voice. | "I feel so bad, {hero}," said {friend}.
| "I am sick and bored," said {friend}.

? {hero} wanted to help {friend}. | {hero} felt sorry for {friend}. | "How can I help?" {hero} thought.
- {hero} ran home and made {cure} with {his} {parent}.
| {hero} ran home to {his} {parent}, and they made {cure} for {friend}.
? Then {hero} picked some {flower_color} flowers, too. | {hero} took a {color} book from the shelf, too.
| {hero} also painted a {color} picture.
? {hero} carried it all to {friend}. | With a full bag, {hero} went back to {friend}.
- "This is for you, {friend}," said {hero}. | "I have {cure} for you!" said {hero}.
? {friend} sat up and {smile}. | "Thank you, {hero}. I feel better now," said {friend}.
- {hero} sat by the bed and told {a_story}. | All afternoon, {hero} stayed and told {friend} {a_story}.

- After three days, {friend} was well again. | {Soon}, {friend} could run and jump again.
| The next week, {friend} was well and came out to play.
? "You are the best friend, {hero}," {friend} said. | {hero} and {friend} {danced} with joy.
| {hero} was {glad} to see {friend} again.
- "When you are sick, {hero}, I will come to you," said {friend}.
| {hero} learned that a kind friend is the best medicine.
| And {hero} and {friend} played {in_place} again, just like before.
""",
    place=PLACES,
    color=COLORS,
    flower_color=("red", "yellow", "pink", "white", "blue"),
    ill=("a bad cold", "a cough", "a fever"),
    cure=("hot soup", "tea with honey", "chicken soup", "warm milk with honey"),
    a_story=("a funny story", "a story about a dragon", "a story about a king", "a story about the sea"),
)

THE_RACE = Plot(
    """
- {hero} was very fast. | No one was as fast as {hero}. | {hero} could run like the wind.
| {hero} wanted to win a race.

- {One_day}, there was a big race {in_place}. | {One_day}, all the friends met {in_place} for a race.
- "The winner gets {prize}!" said the {judge}. | The winner would get {prize}.
- {hero} wanted to win the {cup}. {A_friend} wanted to win, too. | "I will win," said {hero} to {a_friend}.
? "One, two, three, go!" shouted the {judge}. | The {judge} said, "Ready, set, go!"
| "Go!" said the {judge}, and off they went.
- {hero} ran and ran. | {hero} and {friend} were faster than all the others.

- Then {friend} fell {trap}. "Ouch, my leg!" cried {friend}.
| But then {hero} heard a cry. {friend} had fallen {trap}!
? {hero} could see the end of the race. What should {he} do?
| {hero} looked at the end of the race, and then at {friend}.
- {hero} stopped and ran back. "Are you okay, {friend}?" {he} asked.
| So {hero} turned around. "I am coming, {friend}!" {he} called.
- "You will lose, {hero}!" said {friend}. "You are my friend," said {hero}.
| "Go on without me," said {friend}. But {hero} stayed.
- {hero} helped {friend} to stand up, and they walked side by side.
| {friend} held on to {hero}, step by step.

- They came in last, but everyone clapped. | {hero} and {friend} were last, but all the others clapped.
- "This is for a good heart," said the {judge}, and gave the {cup} to {hero} and {friend}.
| "You have a good heart, {hero}," said the {judge}, and gave them the {cup}.
? {hero} and {friend} shared the {cup}. | "We both won, {hero}," said {friend}.
| "Thank you, {hero}," said {friend}.
""",
    place=[place for place in PLACES if place["place"] != "the river"],
    prize=table("""
        prize | cup
        a chocolate cake | cake
        a basket of apples | apples
        a golden cup | golden cup
        a jar of honey | honey
        a bag of cookies | cookies
    """),
    judge=("teacher", "old goat", "farmer", "tall man", "wise owl"),
    trap=("over a stone", "in the mud", "over a root"),
)

PLOTS = (NEW_FRIEND, SHARING, HUNGRY_ANIMAL, SAYING_SORRY, SICK_FRIEND, THE_RACE)
