"""Plots in which a child is helped by someone of the family: <marks> agree with that person."""

from __future__ import annotations

from engine.builtin_stories.arabic.telling import Story
from engine.builtin_stories.arabic.words import COLOURS, ELDERS, FRAGILE, GRANDPARENTS, KEEPSAKES, LOOKS, PARENTS

# A loved thing is gone; it lies where the hero was yesterday.
LOST_THING = """
{opening}
(كان) لدى {hero} {thing} {look}.
| [كان] {hero} [يحب] {his_thing} {the_look} كثيرًا.
? (كان) {the_thing} هدية من {kin_gen}.
| [كان] {hero} [يأخذ] {his_thing} [معه] كل يوم.

{day}، [بحث] {hero} عن {his_thing} فلم [يجد](ه).
| {day}، لم [يجد] {hero} {his_thing} في (مكانه).
| {day}، [أراد] {hero} أن [يأخذ] {his_thing}، لكن {the_thing} لم (يكن) في (مكانه).
[حزن] {hero} و[قال]: «أين {my_thing}؟»
| [خاف] {hero} على {his_thing} و[كاد] [يبكي].
[بحث] {hero} {nowhere}، لكن[ه] لم [يجد] شيئًا.
| [نظر] {hero} {nowhere}، لكن[ه] لم [ير] شيئًا.

[سأل] {hero} {kin_acc}: «هل رأيت {my_thing} {o_kin}؟»
| [ذهب] {hero} إلى {kin_gen} و[قال]: «(ضاع) {my_thing} {o_kin}!»
<قال> {kin}: «لا [تحزن] يا {hero}، سنبحث معًا. أين كنت أمس؟»
| <ابتسم> {kin} و<قال>: «لا [تقلق] يا {hero}. أين كنت أمس؟»
[فكر] {hero} ثم [قال]: «كنت في {place}!»
| [قال] {hero}: «كنت ألعب في {place}!»
[ذهب] {hero} مع {kin_gen} إلى {place}، وهناك [وجد] {his_thing} {found}.
| [أسرع] {hero} مع {kin_gen} إلى {place} و[نظر] {found}، ف[رأى] {his_thing} {the_look}.
[فرح] {hero} كثيرًا و[عانق] {kin_acc}.
| [قال] {hero}: «شكرًا لك {o_kin}!»
| [ضحك] {hero} من الفرح.
ومنذ ذلك اليوم، [صار] {hero} [يضع] {his_thing} في (مكانه) كل مساء.
| [تعلم] {hero} أن [يضع] {his_thing} في (مكانه) بعد اللعب.
| ولم [ينس] {hero} {his_thing} في {place} مرة أخرى.
| {closing}
"""

HIDING_PLACES = [
    {"place": "الحديقة", "nowhere": "تحت السرير", "found": "تحت الشجرة"},
    {"place": "الحديقة", "nowhere": "خلف الباب", "found": "بين الأزهار"},
    {"place": "الساحة", "nowhere": "في الصندوق", "found": "قرب السور"},
    {"place": "الساحة", "nowhere": "تحت الطاولة", "found": "فوق العشب"},
    {"place": "بيت الجيران", "nowhere": "فوق السرير", "found": "على الكرسي"},
    {"place": "المدرسة", "nowhere": "تحت الكرسي", "found": "قرب الباب"},
    {"place": "بيت العم", "nowhere": "بين الكتب", "found": "خلف الكرسي"},
]


def lost_thing(story: Story) -> str:
    story.child()
    story.kin(PARENTS + GRANDPARENTS)
    story.thing(story.pick(KEEPSAKES), LOOKS)
    story.set(story.pick(HIDING_PLACES))
    return story.tell(LOST_THING)


# A noise frightens the hero; seen from near, it is something harmless.
NIGHT_NOISE = """
{opening}
{trait}
لكن[ه] [كان] [يخاف] من الظلام.
| لكن[ه] [كان] [يخاف] من الليل.
| لكن[ه] لم [يكن] [يحب] الظلام.

{night}، [سمع] {hero} صوتًا غريبًا.
| {night}، لم [يستطع] {hero} أن [ينام]. كان هناك صوت غريب خلف النافذة.
[خاف] {hero} و[اختبأ] تحت الغطاء.
| [خاف] {hero} و[قال]: «ما هذا الصوت؟»
| [وضع] {hero} [رأسه] تحت الوسادة، لكن الصوت عاد.
[نادى] {hero} {kin_acc}: «أنا [خائف] {o_kin}!»
| [ركض] {hero} إلى {kin_gen} و[قال]: «سمعت صوتًا غريبًا {o_kin}!»

<قال> {kin}: «لا [تخف] يا {hero}، [تعال] ننظر معًا.»
| <أمسك> {kin} [بيده] و<قال>: «أنا معك يا {hero}. هيا ننظر من النافذة.»
[فتح] {hero} النافذة ف[رأى] {seen}.
| [نظر] {hero} مع {kin_gen} من النافذة، ف[رأى] {seen}.
[ضحك] {hero} و[قال]: «هذا صوت {noise} فقط!»
| [قال] {hero}: «كان هذا صوت {noise}!» ثم [ضحك] مع {kin_gen}.
? <قال> {kin}: «أحسنت يا {hero}، أنت [شجاع].»
| <قال> {kin}: «من يعرف لا يخاف يا {hero}.»
ومنذ تلك الليلة، لم [يعد] {hero} [يخاف] من الظلام.
| ثم [عاد] {hero} إلى [سريره] و[نام] بلا خوف.
| وكلما [سمع] {hero} صوتًا في الليل، [تذكر] {noise} و[ضحك].
"""

NOISES = [
    {"seen": "قطة صغيرة تلعب في الحديقة", "noise": "القطة"},
    {"seen": "كلبًا صغيرًا يبحث عن عظمة", "noise": "الكلب"},
    {"seen": "عصفورًا صغيرًا على غصن الشجرة", "noise": "العصفور"},
    {"seen": "غصنًا كبيرًا يحركه الهواء", "noise": "الغصن"},
    {"seen": "دلوًا قديمًا يحركه الهواء", "noise": "الدلو"},
    {"seen": "باب الحديقة يحركه الهواء", "noise": "الباب"},
    {"seen": "بومة بيضاء فوق الشجرة", "noise": "البومة"},
]


def night_noise(story: Story) -> str:
    story.child()
    story.kin(ELDERS)
    story.set(story.pick(NOISES))
    return story.tell(NIGHT_NOISE)


# The hero breaks something, hides it, and is glad to have told the truth.
BROKEN_THING = """
{opening}
(كان) في بيت {hero} {thing} {look}، و<كان> {kin} <يحب>(ه) كثيرًا.
| (كان) لدى {kin_gen} {thing} {look}.
| (كان) على الطاولة {thing} {look}.

{day}، [كان] {hero} [يلعب] في البيت. {accident}، ف(وقع) {the_thing} على الأرض و(انكسر).
| {day}، [لعب] {hero} داخل البيت. {accident}، ف(انكسر) {the_thing}.
[خاف] {hero} كثيرًا و[خبأ] {the_thing} {hidden}.
| [حزن] {hero} و[قال]: «ماذا أفعل الآن؟» ثم [خبأ] {the_thing} {hidden}.
وفي المساء، <سأل> {kin}: «أين {the_thing} يا {hero}؟»
| ثم <جاء> {kin} و<قال>: «أين {the_thing} يا {hero}؟»
? لم [يعرف] {hero} ماذا [يقول].
| احمر وجه {hero}.
| [سكت] {hero} قليلًا.

وأخيرًا، [قال] {hero}: «أنا [آسف] {o_kin}. أنا كسرت {the_thing}.»
| [بكى] {hero} و[قال]: «كسرت {the_thing} {o_kin}، أنا [آسف].»
<قال> {kin}: «شكرًا يا {hero} لأنك قلت الحقيقة. هيا نصلح(ه) معًا.»
| <ابتسم> {kin} و<قال>: «أنا <سعيد> لأنك قلت الحقيقة يا {hero}.»
[أصلح] {hero} {the_thing} مع {kin_gen}، و(عاد) {the_thing} إلى (مكانه).
| [أحضر] {hero} الصمغ، و<أصلح> {kin} {the_thing}.
[تعلم] {hero} أن الصدق أجمل من الكذب.
| ومنذ ذلك اليوم، [صار] {hero} [يلعب] في الحديقة فقط.
| وكلما [رأى] {hero} {the_thing} {the_look}، [تذكر] أن [يقول] الحقيقة.
| {closing}
"""


def broken_thing(story: Story) -> str:
    story.child()
    story.kin(ELDERS)
    story.thing(story.pick(FRAGILE), [*COLOURS, ("جميل", "جميلة"), ("قديم", "قديمة")])
    accidents = ["[رمى] الكرة عاليًا", "[ركض] خلف القطة", "[قفز] فوق الكرسي", "[ضرب] الكرة بقوة"]
    story.set({"accident": story.pick(accidents)})
    story.set({"hidden": story.pick(["تحت السرير", "خلف الباب", "في الصندوق"])})
    return story.tell(BROKEN_THING)


# Rain spoils the hero's plan; something made indoors makes the day a good one.
RAINY_DAY = """
{opening}
{trait}
{day}، [أراد] {hero} أن [يلعب] في {place}.
| {day}، [قال] {hero}: «سألعب اليوم في {place}.»

لكن السماء كانت مليئة بالغيوم، ثم نزل المطر.
| لكن المطر نزل بقوة.
| فجأة، نزل المطر وصار كل شيء مبللًا.
[حزن] {hero} و[قال]: «لا أستطيع أن ألعب اليوم.»
| [وقف] {hero} قرب النافذة و[قال]: «متى يتوقف المطر؟»
<قال> {kin}: «لا [تحزن] يا {hero}. {idea}.»
| <ابتسم> {kin} و<قال>: «عندي فكرة يا {hero}. {idea}.»

{made}.
| [فرح] {hero} بالفكرة. {made}.
[ضحك] {hero} كثيرًا و[نسي] [حزنه].
| مر الوقت بسرعة، و[كان] {hero} [سعيدًا].
وبعد ساعة، توقف المطر وظهرت الشمس.
| ثم توقف المطر وظهر في السماء قوس قزح.
{after}.
[قال] {hero}: «شكرًا لك {o_kin}، كان هذا يومًا جميلًا.»
| ومنذ ذلك اليوم، [صار] {hero} [يحب] المطر.
| [تعلم] {hero} أن يوم المطر جميل أيضًا.
| {closing}
"""

RAINY_DAY_IDEAS = [
    {
        "idea": "هيا نصنع قاربًا من الورق",
        "made": "[صنع] {hero} مع {kin_gen} قاربًا من الورق",
        "after": "[وضع] {hero} القارب في ماء المطر، فسار القارب بعيدًا",
    },
    {
        "idea": "هيا نخبز كعكة",
        "made": "[خبز] {hero} مع {kin_gen} كعكة لذيذة",
        "after": "[أكل] {hero} الكعكة في الحديقة مع {kin_gen}",
    },
    {
        "idea": "هيا نرسم البحر",
        "made": "[رسم] {hero} مع {kin_gen} صورة جميلة للبحر",
        "after": "[رأى] {hero} السماء زرقاء مثل البحر في [صورته]",
    },
    {
        "idea": "هيا نقرأ قصة عن البحر",
        "made": "[قرأ] {hero} مع {kin_gen} قصة عن البحر",
        "after": "[لعب] {hero} قرب ماء المطر، وكان الماء مثل البحر في القصة",
    },
    {
        "idea": "هيا نصنع طائرة من الورق",
        "made": "[صنع] {hero} مع {kin_gen} طائرة من الورق",
        "after": "[رمى] {hero} الطائرة، فطارت فوق الأشجار",
    },
]


def rainy_day(story: Story) -> str:
    story.child()
    story.kin(ELDERS)
    story.set(story.pick(RAINY_DAY_IDEAS))
    story.set({"place": story.pick(["الحديقة", "الساحة", "الملعب"])})
    return story.tell(RAINY_DAY)


PLOTS = [lost_thing, night_noise, broken_thing, rainy_day]
