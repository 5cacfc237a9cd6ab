"""Plots among animals: <marks> agree with the other animal."""

from __future__ import annotations

from engine.builtin_stories.arabic.telling import Story
from engine.builtin_stories.arabic.words import GATHERERS, NIMBLE, PLANT_EATERS

# Running after something, a young animal loses the way home; another animal knows it.
LOST_WAY = """
{opening}
قالت [له] أم[ه]: «لا [تبتعد] عن البيت يا {hero}.»
| قالت [له] أم[ه]: «لا [تذهب] بعيدًا يا {hero}.»

{day}، [رأى] {hero} {lure}.
| {day}، [خرج] {hero} ل[يلعب] ف[رأى] {lure}.
[ركض] {hero} {after_it} و[نسي] كلام أم[ه]، ثم [أضاع] الطريق.
| [ركض] {hero} {after_it} حتى [ابتعد] كثيرًا ولم [يعرف] الطريق.
[جلس] {hero} {spot} و[بكى].
| [خاف] {hero} و[قال]: «أين أمي؟»

<سمع>[ه] {friend_kind} <اسمه> {friend} و<قال>: «لماذا أنت [حزين]؟» [قال]: «أنا {hero}، وأريد أمي.»
| <جاء> {friend_kind} <اسمه> {friend} و<قال>: «ما اسمك؟» [قال]: «اسمي {hero}، وأريد أمي.»
<قال> {friend}: «لا [تخف] يا {hero}. أين بيتك؟»
| <قال> {friend}: «سأساعدك يا {hero}. أين بيتك؟»
[قال] {hero}: «بيتنا قرب {landmark}.»
| [قال] {hero}: «بيتي قرب {landmark}.»
<قال> {friend}: «[تعال] معي.» و/سارا/ معًا إلى {landmark}.
| [سار] {hero} مع {friend} حتى /وصلا/ إلى {landmark}.

وهناك، كانت الأم تبحث عن {hero}. [ركض] {hero} و[عانق]ها.
| وهناك، [رأى] {hero} أم[ه] ف[عانق]ها.
[قال] {hero}: «أنا [آسف] يا أمي، لن أذهب بعيدًا.»
| قالت الأم: «شكرًا لك يا {friend}!» و[ضحك] {hero} من الفرح.
ومنذ ذلك اليوم، [صار] {hero} [يلعب] مع {friend} قرب البيت.
| ومنذ ذلك اليوم، لم [يذهب] {hero} بعيدًا أبدًا.
| ومنذ ذلك اليوم، [صار] {hero} [يلعب] قرب البيت فقط.
"""

LURES = [
    {"lure": "فراشة جميلة", "after_it": "خلف الفراشة"},
    {"lure": "عصفورًا ملونًا", "after_it": "خلف العصفور"},
    {"lure": "ورقة تطير في الهواء", "after_it": "خلف الورقة"},
    {"lure": "ضفدعًا أخضر", "after_it": "خلف الضفدع"},
    {"lure": "نحلة صغيرة", "after_it": "خلف النحلة"},
]


def lost_way(story: Story) -> str:
    story.animal()
    story.animal_friend(["بلبل", "قنفذ", "سنجاب", "حصان"], ["حمامة", "سلحفاة", "بومة", "بقرة"])
    story.set(story.pick(LURES))
    story.set({"spot": story.pick(["تحت شجرة", "على حجر", "بين الأشجار", "على العشب"])})
    story.set({"landmark": story.pick(["النهر", "الشجرة الكبيرة", "الجسر", "التل الأخضر", "الحقل", "البئر"])})
    return story.tell(LOST_WAY)


# The big one laughs at the small one, and then needs just somebody small.
SMALL_HELPER = """
{opening}
[كان] {hero} [يعرف] {a_friend} <كبيرًا> <اسمه> {friend}.
| و<كان> قرب [بيته] {friend_kind} <كبير> <اسمه> {friend}.

{day}، [قال] {hero}: «هل نلعب معًا يا {friend}؟»
| {day}، [أراد] {hero} أن [يلعب] مع {friend}.
<ضحك> {friend} و<قال>: «أنت [صغير] جدًا يا {hero}!»
| لكن {the_friend} <قال>: «لا ألعب مع الصغار يا {hero}.»
[حزن] {hero} و[ذهب] بعيدًا.
| [سكت] {hero} و[جلس] [وحده] تحت الشجرة.

وبعد قليل، {trouble}. <صاح> {friend}: «ساعدوني!»
| وفي المساء، {trouble}. [سمع] {hero} صوت {friend} من بعيد.
[ركض] {hero} و[قال]: «لا <تخف> يا {friend}، سأساعدك.»
| [نسي] {hero} [حزنه] و[أسرع] إلى {friend}.
{help}.
| [كان] {hero} [شجاعًا]. {help}.
<قال> {friend}: «شكرًا يا {hero}! أنا <آسف>، لقد أخطأت.»
| <خجل> {friend} و<قال>: «أنا <آسف> يا {hero}. أنت [صغير]، لكن قلبك كبير.»
[ابتسم] {hero} و[قال]: «نحن أصدقاء يا {friend}.»
| [فرح] {hero} و[قال]: «هل نلعب الآن يا {friend}؟»
ومنذ ذلك اليوم، /صارا/ /صديقين/، و[كان] {hero} [يلعب] مع {friend} كل يوم.
| ومنذ ذلك اليوم، لم <يضحك> {friend} من الصغار أبدًا.
| {closing}
"""

TROUBLES = [
    {
        "trouble": "دخلت شوكة في ساق {friend}",
        "help": "[أخرج] {hero} الشوكة الصغيرة بهدوء",
    },
    {
        "trouble": "<وقع> {friend} في شبكة الصياد",
        "help": "[قطع] {hero} حبل الشبكة [بأسنانه]",
    },
    {
        "trouble": "<أضاع> {friend} مفتاح <بيته> بين الحجارة",
        "help": "[دخل] {hero} بين الحجارة و[أحضر] المفتاح",
    },
    {
        "trouble": "علق رأس {friend} بين غصنين، ولم <يستطع> أن <يتحرك>",
        "help": "[قفز] {hero} على الغصن فنزل الغصن",
    },
]


def small_helper(story: Story) -> str:
    story.animal(*NIMBLE)
    story.animal_friend(["دب", "فيل", "حصان", "ثور", "أسد"], ["بقرة", "زرافة", "لبؤة", "ناقة"])
    story.set(story.pick(TROUBLES))
    return story.tell(SMALL_HELPER)


# In autumn one works and one plays; in winter food is shared, in spring the favour is returned.
WINTER = """
{old_opening}
في الخريف، [جمع] {hero} {food} كل يوم.
| كان الشتاء قريبًا، ف[بدأ] {hero} [يجمع] {food}.
أما {the_friend} {friend} ف<كان> <يلعب> و<يغني> طوال اليوم.
| و<كان> قرب [بيته] {friend_kind} <اسمه> {friend} <يحب> اللعب ولا <يعمل>.
[قال] {hero}: «الشتاء قريب يا {friend}!» لكن {the_friend} <ضحك>.
| [سأل] {hero}: «أين طعامك للشتاء يا {friend}؟» <قال> {friend}: «سأجمع الطعام غدًا.»

ثم جاء الشتاء ونزل الثلج. لم <يجد> {friend} شيئًا ل<يأكله>.
| وفي الشتاء، صار الهواء باردًا، ولم يكن عند {friend} طعام.
<طرق> {friend} باب {hero} و<قال>: «أنا <جائع> يا {hero}.»
| <ذهب> {friend} إلى بيت {hero} و<قال>: «هل عندك طعام يا {hero}؟»
[فكر] {hero} قليلًا، ثم [قال]: «<تعال> يا {friend}، عندي بعض {food}.»
| [فتح] {hero} الباب و[قال]: «<ادخل> يا {friend}، الطعام يكفينا.»
[أكل] {hero} مع {friend} قرب النار، و<غنى> {friend} أغنية جميلة.
| <أكل> {friend} {food} و<قال>: «شكرًا يا {hero}. لن أنسى هذا اليوم.»

وفي الربيع، [مرض] {hero}، ف<بحث> {friend} عن الطعام و<وضع> الطعام أمام {hero}.
| وعندما جاء الخريف، <عمل> {friend} مع {hero} كل يوم، و/جمعا/ {food} معًا.
[قال] {hero}: «أنت <صديق> <طيب> يا {friend}.»
| <قال> {friend}: «تعلمت منك الكثير يا {hero}.»
[تعلم] {hero} أن الخير يعود إلى صاحبه.
| {joy}
"""


def winter(story: Story) -> str:
    story.animal(*GATHERERS)
    story.animal_friend(["بلبل", "ديك", "جندب", "عصفور"], ["حمامة", "يمامة", "عصفورة", "بطة"])
    story.set({"food": story.pick(["الجوز", "البلوط", "الحبوب", "التفاح", "الجزر"])})
    return story.tell(WINTER)


# A young animal is hungry, finds food that belongs to another, and asks instead of taking it.
HUNGRY = """
{opening}
{day}، [كان] {hero} [جائعًا] جدًا، ولم [يجد] طعامًا في البيت.
| {day}، [خرج] {hero} ل[يبحث] عن الطعام، لكن[ه] لم [يجد] شيئًا.

[بحث] {hero} {spot}، ثم [وصل] إلى {landmark}.
| [سار] {hero} طويلًا حتى [وصل] إلى {landmark}.
وهناك، [رأى] {hero} سلة مليئة ب{food}، ولم يكن قربها أحد.
| فجأة، [وجد] {hero} سلة كبيرة مليئة ب{food}.
[أراد] {hero} أن [يأكل]، لكن[ه] [قال]: «هذا الطعام ليس لي.»
| [اقترب] {hero} من السلة و[قال]: «لمن هذا الطعام؟»

<جاء> {friend_kind} <اسمه> {friend} و<قال>: «هذه سلتي. من أنت؟»
| ثم <جاء> {friend_kind} <اسمه> {friend} و<قال>: «هذه سلتي.»
[قال] {hero}: «اسمي {hero}، وأنا [جائع]. هل آكل معك؟»
| [قال] {hero}: «أنا [جائع]، لكنني لم آخذ شيئًا.»
<ابتسم> {friend} و<قال>: «أنت [صادق] يا {hero}. [اجلس] لنأكل معًا.»
| <قال> {friend}: «السلة ثقيلة يا {hero}. [ساعدني] وسنأكل معًا.»
[جلس] {hero} مع {friend} تحت الشجرة و/أكلا/ {food}.
| [حمل] {hero} السلة مع {friend}، ثم /أكلا/ {food} معًا.
[قال] {hero}: «شكرًا يا {friend}، ما أطيب {food}!»
| <قال> {friend}: «[تعال] غدًا أيضًا يا {hero}.»
وفي اليوم التالي، [حمل] {hero} السلة مع {friend} من جديد.
| ومنذ ذلك اليوم، [صار] {hero} [يجمع] {food} مع {friend}.
| [تعلم] {hero} أن [يسأل] قبل أن [يأخذ] شيئًا.
"""


def hungry(story: Story) -> str:
    story.animal(*PLANT_EATERS)
    story.animal_friend(["قنفذ", "سنجاب", "حصان", "قرد"], ["سلحفاة", "بقرة", "نعجة", "غزالة"])
    story.set({"food": story.pick(["التفاح", "الجزر", "التوت", "التين", "العنب"])})
    story.set({"landmark": story.pick(["النهر", "الجسر", "الحقل", "البئر"])})
    story.set({"spot": story.pick(["تحت الأشجار", "بين الأعشاب", "خلف الحجارة"])})
    return story.tell(HUNGRY)


PLOTS = [lost_way, small_helper, winter, hungry]
