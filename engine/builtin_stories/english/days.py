"""Plots about days to remember: rain, a garden, a cake, being lost, being afraid, learning."""

from itertools import permutations

from engine.builtin_stories.english.story import Plot
from engine.builtin_stories.english.words import COLORS, table

RAINY_DAY = Plot(
    """
- {hero} wanted to {plan} with {a_friend}. | {hero} and {a_friend} wanted to {plan}.
| All week long, {hero} waited to {plan} with {a_friend}.
- But when {he} woke up, {weather}. | But in the morning, {weather}.
| Then {hero} looked out of the window. Oh no! {Weather}.

- "Now we can not {plan}," {hero} said. | "I do not like this {kind_of_day} day," said {hero}.
| "Why today?" cried {hero}.
- @cried | {hero} looked out of the window for a long time.
- Knock, knock! {friend} was at the door, in a {color} coat. | Then {friend} came in with a {color} hat on.
- "We can still have fun, {hero}," {friend} said. "Let us {game}!"
| "I have an idea," said {friend}. "Let us {game}!"
| "Do not be sad, {hero}," said {friend}. "We can {game} inside!"

- So {hero} and {friend} {gamed}. | {hero} and {friend} {gamed} and laughed.
| And that is what {hero} and {friend} did.
? {His} {parent} made hot {drink} for them. | {hero}'s {parent} brought them cookies.
| {hero}'s {parent} came and played, too.
- They had so much fun that they forgot the {weather_word}.
| {hero} did not think about the {weather_word} any more.

- {At_last}, the {weather_word} stopped. | In the afternoon, the sun came out.
| When they looked up, the sun was back.
- "Look, {hero}! Now we can {plan}!" said {friend}. | "The {weather_word} is gone, {hero}!" said {friend}.
- "Yes, but first let us {game} one more time," said {hero}.
| {hero} laughed. "I like {kind_of_day} days now," {he} said.
| {hero} learned that any day can be a good day with a friend.
""",
    color=COLORS,
    plan=("go to the beach", "go to the zoo", "have a picnic", "play in the park", "ride bikes"),
    weather=table("""
        weather | weather_word | kind_of_day
        it was raining hard | rain | rainy
        rain was falling from the gray sky | rain | rainy
        a strong wind was blowing | wind | windy
        there was a big storm | storm | stormy
    """),
    game=table("""
        game | gamed
        build a fort | built a fort out of chairs
        paint pictures | painted pictures of the sun
        play pirates | made a ship out of the bed
        put on a show | put on a show with funny hats
        make paper boats | made ten paper boats
        play hide and seek | played hide and seek in the house
        tell stories | told stories about dragons
    """),
    drink=("milk", "chocolate", "tea", "soup"),
)

GARDEN = Plot(
    """
- {He} wanted to grow {a_plant}. | {hero} dreamed of having a garden. | {hero} loved plants and flowers.

- {One_day}, {his} {parent} gave {hero} a tiny seed.
| {One_day}, {hero} found a small {color} bag. There was a seed in it.
| {One_day}, {a_friend} gave {hero} a seed.
- {hero} put it in the ground and gave it water. | {hero} made a hole in the ground and put the seed in it.
- {hero} waited and waited, but nothing grew. | The next day, {hero} looked at the ground. There was nothing.
| Every morning {hero} ran to the garden, but there was no {plant}.
? @cried | "My seed does not work," said {hero}. | "Why does it not grow?" asked {hero}.

- "A seed needs {need}, and it needs time," said {his} {parent}.
| "Be patient, {hero}. It needs {need}," said {his} {parent}.
- So {hero} {did_need} every day. | So every day, {hero} {did_need}.
? Days went by. | A week went by. | The days were long, but {hero} did not give up.
- Then {hero} saw something green. It was a tiny leaf! | One morning, there was a little green leaf!
- It grew and grew until it was {a_plant}. | {Soon}, it was {a_plant}, as tall as {hero}.

- "Look, {Parent}! My {plant}!" shouted {hero}. | {hero} called {his} {parent} to look at the {plant}.
| @rejoiced
- {hero} gave {gift} to {his} {parent}. | {hero} took {gift} to {his} {parent} at once.
? "You took good care of it, {hero}," said {his} {parent}. | "I am proud of you, {hero}," {his} {parent} said.
- {hero} was {proud} of the {plant}. | And {hero} kept one seed for the next spring.
| Now {hero} knew that good things take time.
""",
    color=COLORS,
    plant=table("""
        plant | a_plant | gift
        sunflower | a tall sunflower | the big yellow flower
        rose bush | a rose bush | the first red rose
        tomato plant | a tomato plant | the first red tomato
        bean plant | a bean plant | a bowl of green beans
        pumpkin plant | a pumpkin plant | a round orange pumpkin
        berry bush | a berry bush | a basket of sweet berries
    """),
    need=table("""
        need | did_need
        water and sun | gave it water and let the sun shine on it
        water and love | gave it water and sang to it
        clean soil | pulled the weeds out of the soil
    """),
)

BAKING = Plot(
    """
- {hero} often helped in the kitchen. | {hero}'s favorite place was the kitchen.
| {He} wanted to learn to bake.

- {One_day}, {hero} wanted to make a {cake} for {a_friend}.
| {One_day}, {hero} said, "I will bake a {cake} for my friend {friend}!"
- {He} put flour, eggs and {fruit} in a {color} bowl.
| {hero} took a {color} bowl and mixed eggs, flour and {fruit}.
- {mistake}
- @cried | "Oh no! What can I do now?" asked {hero}. | "My {cake} is no good," said {hero}.

- {His} {parent} came in. "What happened, {hero}?" {phe} asked.
| "What is wrong, {hero}?" asked {his} {parent}.
- "I made a mistake," said {hero}. | "The {cake} is bad," {hero} said, and looked at the floor.
- "That is okay," said {his} {parent}. "Let us try again."
| "Every cook makes mistakes," said {his} {parent}. "Try again."
- This time, {hero} {care}. | So they made a new one. This time, {hero} {care}.
- {Soon}, the kitchen smelled {good_smell}. | {Soon}, there was a warm, {tasty} {cake} on the table.

- {hero} took the {cake} to {friend}. | {hero} put a ribbon on the {cake} and gave it to {friend}.
- "Wow! This is the best {cake} ever!" said {friend}. | {friend} took a bite. "It is so good, {hero}!"
| "For me? Thank you, {hero}!" said {friend}.
- {hero} and {friend} ate it together. | They ate all of it. | @rejoiced
? {hero} learned that it is okay to make mistakes. | Now {hero} bakes a {cake} every Sunday.
""",
    color=COLORS,
    cake=("cake", "pie", "birthday cake", "fruit cake"),
    fruit=("apples", "berries", "nuts", "bananas", "milk", "honey"),
    good_smell=("wonderful", "sweet", "like honey", "so good"),
    mistake=table("""
        mistake | care
        But {he} forgot the sugar, and the {cake} was not sweet. | put in three spoons of sugar
        But {he} left it in the oven too long, and it turned black. | watched the oven all the time
        But {he} put in salt, not sugar. It tasted bad! | tasted the sugar first
        But {he} dropped it, and the {cake} fell on the floor. | held it very carefully
    """),
)

LOST_CHILD = Plot(
    """
- {One_day}, {hero} and {his} {parent} went to {busy}. | {One_day}, {hero}'s {parent} took {him} to {busy}.
- "Stay close to me, {hero}," said {his} {parent}. | "Hold my hand, {hero}," said {his} {parent}.
- {hero} saw a {color} {lure} and ran after it.
| But {hero} saw a {nice} {color} {lure} and went to look at it.
| But then a {color} {lure} went by, and {hero} followed it.
- When {he} looked back, {his} {parent} was gone. | Then {he} turned around. Where was {his} {parent}?

? {hero} was lost! | {hero} was all alone. | Now {hero} was lost and alone.
- "{Parent}! {Parent}! Where are you?" {hero} called. | @cried | {hero} was scared. "{Parent}!" {he} cried.
- {Guide} saw {him} and stopped. "Are you lost?" asked {the_guide}.
| {Guide} came to {hero}. "Why are you crying?" asked {the_guide}.
- "I can not find my {parent}," said {hero}. | "I lost my {parent}," {hero} said.
- "I will help you," said {the_guide}. "What does your {parent} look like?"
| "Do not be afraid," said {the_guide}. "We will find your {parent}."
- "My {parent} has a {coat_color} coat," said {hero}.
| {hero} thought. "My {parent} wears a {coat_color} hat," {he} said.

- They walked and looked. {At_last}, {hero} saw something {coat_color}.
| {hero} and {the_guide} looked everywhere. Then {hero} saw something {coat_color}.
- "{Parent}!" {hero} cried, and ran into {his} {parent}'s arms. | It was {his} {parent}! {hero} ran to {phim}.
- "I was so worried, {hero}," said {his} {parent}. | {His} {parent} hugged {hero} and thanked {the_guide}.
- "I am sorry. I will stay with you," said {hero}. | "I will not run away again," {hero} said.
| From then on, {hero} always held {his} {parent}'s hand.
""",
    busy=("the market", "the zoo", "the fair", "the beach", "the town square"),
    lure=("butterfly", "balloon", "bird", "ball", "kite"),
    colors=[{"color": color, "coat_color": coat} for color, coat in permutations(COLORS, 2)],
    guide=table("""
        guide | the_guide
        a police officer | the police officer
        an old woman | the old woman
        a man with a gray beard | the man
        a friendly dog | the dog
        a kind woman | the woman
    """),
)

LEARNING = Plot(
    """
- More than anything, {hero} wanted to {skill}. | {hero} had one big wish. {He} wanted to {skill}.
| {hero} saw {a_friend} {skill} and wanted to do it, too.

- {One_day}, {hero} tried, but {fail}. | {One_day}, {hero} tried to {skill}, but {fail}.
? {He} tried again, but it was too hard. | "This is too hard," said {hero}. | "I can not do it!" cried {hero}.
| @cried
- {His} {parent} came and sat next to {him}. | {hero} went to {his} {parent} for help.
- "I want to {skill}, but I can not," {hero} said. | "Will you help me, {Parent}?" asked {hero}.

- "When I was little, I could not {skill}," said {his} {parent}. "Just keep trying."
| "Nobody can do it on the first day, {hero}," said {his} {parent}.
| "You can do it, {hero}," {his} {parent} said. "I will help you."
- Then {phe} showed {hero} a trick. "{tip}" | Then {phe} told {hero} a secret. "{tip}"
- {hero} tried every day for a week. | So {hero} tried again and again. | Day after day, {hero} tried.
? Each day it was a little easier. | It was not easy, but {hero} did not give up.

- Then, one day, {hero} did it! {He} could {skill}! | {At_last}, {hero} could {skill}!
- "Look, {Parent}, look!" {he} shouted. | {His} {parent} clapped. "I am so proud of you, {hero}!" | @rejoiced
- {hero} thanked {his} {parent} with a big hug. | {hero} could not wait to show {his} friends.
| Now {hero} knew that you must never give up. | The next day, {hero} helped a friend to {skill}.
""",
    skill=table("""
        skill | fail | tip
        ride a bike | {he} fell off | Look at the road, not at your feet.
        swim | {he} got water in {his} nose | Kick your legs like a frog.
        whistle | no sound came out | Make your mouth as round as a cherry.
        skate | {he} fell on the ice | Bend your knees a little.
        read | the letters all looked the same | Say one letter at a time.
        draw a horse | it looked like a potato | Start with the big round parts.
        play the drum | it was only a loud noise | Count to four, slowly.
        climb a tall tree | {he} slid down | Find a place for your feet first.
        catch a ball | it flew past {him} | Keep your eyes on the ball.
    """),
)

AFRAID = Plot(
    """
- But there was one thing: {hero} was afraid of {fear}. | {hero} was afraid of {fear}.
| {hero} did not like {fear} at all.

- {scene}
- {hero} was so scared that {he} shook. | {hero} closed {his} eyes. "I am scared!" {he} said.
| "Oh no!" cried {hero}. | {hero}'s heart went boom, boom, boom.
- "What is wrong, {hero}?" asked {his} {parent}.
| {His} {parent} held {hero}'s {hand}. "What is it, {hero}?" {phe} asked.
- "I am afraid of {fear}," {hero} said in a small voice. | "I do not like {fear}," said {hero}.

- "{advice}," said {his} {parent}. "I am here with you."
| {hero}'s {parent} sat down next to {him}. "{advice}," {phe} said.
| "I was afraid, too, when I was little," said {his} {parent}. "{advice}."
? {hero} took a deep breath. | {hero} thought about that. | {hero} wanted to be brave.
- {deed} | Then {hero} was ready. {deed} | {Soon}, {hero} was brave. {deed}
- {proof}

- "I did it, {Parent}!" {hero} said. | "It is not so bad!" said {hero}. | @rejoiced
? "You are very brave, {hero}," said {his} {parent}. | {His} {parent} was {proud} of {hero}.
- From that day on, {hero} was not afraid of {fear} any more.
| After that, {hero} could say to {his} friends, "Do not be afraid of {fear}!"
| {hero} learned that you can be scared and brave at the same time.
""",
    fear=(
        {
            "fear": "the dark",
            "scene": "One night, the lamp in {hero}'s room went out. {hero} called for {his} {parent}.",
            "advice": "The dark is only the night saying hello",
            "deed": "{hero} opened {his} eyes wide and looked around the dark room.",
            "proof": "The big shape by the wall was only a coat.",
        },
        {
            "fear": "thunder",
            "scene": "One night, there was a big storm. {hero} and {his} {parent} sat by the window.",
            "advice": "Thunder is only the clouds clapping their hands",
            "deed": "{hero} listened and counted to ten.",
            "proof": "The thunder was softer and softer, and then it was gone.",
        },
        {
            "fear": "deep water",
            "scene": "{One_day}, {hero} and {his} {parent} went to the lake.",
            "advice": "The water is your friend if you go slowly",
            "deed": "{hero} put one foot in the water, and then the other.",
            "proof": "The water was cool and soft, and {hero} began to splash.",
        },
        {
            "fear": "the tall slide",
            "scene": "{One_day}, {hero} and {his} {parent} went to the playground. There was a tall slide.",
            "advice": "Go up one step at a time",
            "deed": "{hero} climbed up, sat down and let go.",
            "proof": "Down {he} went on the slide, as fast as the wind!",
        },
        {
            "fear": "the big cow",
            "scene": "{One_day}, {hero} and {his} {parent} went to see the farmer. The cow was there.",
            "advice": "The cow is big, but she is gentle",
            "deed": "{hero} held out some grass.",
            "proof": "The cow ate the grass and licked {hero}'s {hand}. It tickled!",
        },
        {
            "fear": "the old bridge",
            "scene": "{One_day}, {hero} and {his} {parent} came to the river. They had to cross the bridge.",
            "advice": "Look at me, and not at the water",
            "deed": "{hero} took one small step, and then one more.",
            "proof": "The bridge was strong, and soon {hero} was on the other side.",
        },
    ),
)

STRANGE_NOISE = Plot(
    """
- {hero} had a bed by the window and a {color} {toy}.
| Every night, {hero} went to bed with {his} {color} {toy}. | {hero} liked to sleep with {his} {color} {toy}.

- One night, {hero} heard a strange noise. {Noise}, {noise}! | {Noise}! One night, a noise woke {hero}.
- It came from {where}. | "It comes from {where}," {hero} said.
- "Is it a monster?" {hero} thought. | {hero} pulled the blanket over {his} head.
| {hero} held {his} {color} {toy} tight.
? {Noise}, {noise}! There it was again! | Then it was quiet. And then: {noise}!

- "{Parent}!" {hero} called. {His} {parent} came at once.
| {hero} ran to {his} {parent}. "There is a monster!" {he} cried.
- "Let us look together," said {his} {parent} and took a lamp.
| "I will go with you, {hero}," {his} {parent} said. "Take my {hand}."
- Slowly, {hero} and {his} {parent} went to {where}. | {hero} took a deep breath, and they went to {where}.
- {hero} looked, and then {he} laughed. It was only {cause}! | There was no monster. It was {cause}!
? It looked at {hero} with big round eyes. | It looked at {hero}, and {hero} looked back.

? "You are not a monster!" said {hero}. | "Hello, little one," {hero} said.
| "That was a funny monster," said {hero}'s {parent}.
- {hero} {kindness}. | {hero} {kindness}, and then {he} was not afraid any more.
- Then {hero} went back to bed with the {color} {toy} and slept well.
| {His} {parent} kissed {hero} good night, and soon {hero} was asleep.
| After that, {hero} was never afraid of strange noises. {He} went to look.
""",
    color=COLORS,
    toy=("teddy bear", "toy rabbit", "toy dog", "doll"),
    noise=table("""
        noise | where | cause | kindness
        tap | the window | a cold bird | let the bird in
        crunch | the kitchen | a hungry goat | gave the goat some bread
        splash | the bathroom | a green frog | took the frog to the garden
        hoo | the tree by the house | a baby owl | waved to the owl
        scratch | the front door | a lost cat | gave the cat some milk
        squeak | the old box | a tiny hamster | gave the hamster a nut
    """),
)

PLOTS = (RAINY_DAY, GARDEN, BAKING, LOST_CHILD, LEARNING, AFRAID, STRANGE_NOISE)
