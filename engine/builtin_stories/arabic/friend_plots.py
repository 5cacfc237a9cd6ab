"""Plots between a child and another child, or a stray animal: <marks> agree with the other child."""

from __future__ import annotations

from engine.builtin_stories.arabic.telling import Story
from engine.builtin_stories.arabic.words import FOODS, LOOKS, OUTDOORS, PARENTS, TASTES, TOYS

# A child who knows nobody is asked to play, falls, and is helped up.
NEW_FRIEND = """
{opening}
{day}، [رأى] {hero} في {place} <ولدًا> <جديدًا> <يجلس> <وحده>.
| {day}، [ذهب] {hero} إلى {place}. <كان> هناك <ولد> <جديد> <يجلس> <وحده>.
[أراد] {hero} أن [يلعب] <معه>، لكن[ه] [كان] [خجولًا].
| [قال] {hero} في [نفسه]: «لماذا <يجلس> <هذا> <الولد> <وحده>؟»

[اقترب] {hero} و[قال]: «أنا {hero}، ما اسمك؟»
| ثم [ابتسم] {hero} و[قال]: «اسمي {hero}، وأنت؟»
<قال> <الولد>: «اسمي {friend}، ولا أعرف أحدًا هنا.»
| <قال> <الولد> بصوت هادئ: «اسمي {friend}. ليس لدي أصدقاء هنا.»
[قال] {hero}: «هل <تريد> اللعب معي يا {friend}؟»
| [قال] {hero}: «لا <تحزن> يا {friend}، سنلعب معًا.»
[لعب] {hero} مع {friend} {game}.
| <فرح> {friend} و<لعب> مع {hero} {game}.

فجأة، <وقع> {friend} على الأرض و<بكى>.
| وبعد قليل، <وقع> {friend} و<صاح>: «يدي تؤلمني!»
[أسرع] {hero} <إليه> و[قال]: «لا <تخف> يا {friend}، أنا معك.»
| [ركض] {hero} و[أمسك] <بيده> و[قال]: «لا <تبك> يا {friend}.»
[غسل] {hero} يد {friend} بالماء، ف<ابتسم> {friend} و<قال>: «شكرًا يا {hero}.»
| [أحضر] {hero} الماء لأجل {friend}، ثم /ضحكا/ معًا.
ومنذ ذلك اليوم، /صارا/ /صديقين/، وفي كل يوم [كان] {hero} [يلعب] مع {friend} في {place}.
| وفي البيت، [قال] {hero} لأم[ه]: «لدي <صديق> <جديد> <اسمه> {friend}!»
| [قال] {hero}: «أنت الآن <صديقي> يا {friend}.»
"""


def new_friend(story: Story) -> str:
    story.child()
    story.friend()
    story.set({"place": story.pick(OUTDOORS)})
    story.set({"game": story.pick(["بالكرة", "بالرمل", "لعبة الاختباء", "تحت الشجرة", "قرب السور"])})
    return story.tell(NEW_FRIEND)


# The hero shares food with a hungry friend; later the friend shares too.
SHARING = """
{opening}
? {trait}
{day}، (كان) مع {hero} {thing} {look}.
| {day}، [أخذ] {hero} {a_thing} {a_look} إلى {place}.

[جلس] {hero} مع {friend} {where}. {misfortune}.
| [جلس] {hero} قرب {friend} {where} ل[يأكل] {the_thing}. {misfortune}.
<قال> {friend}: «أنا <جائع> يا {hero}، وليس معي شيء.»
| <نظر> {friend} إلى {the_thing} ولم <يقل> شيئًا.
[فكر] {hero} و[قال] في [نفسه]: «{the_thing} لي، وأنا [جائع] أيضًا.»
| [أراد] {hero} أن [يأكل] {the_thing} [وحده]، لكن[ه] [رأى] وجه {friend} الحزين.

[قسم] {hero} {the_thing} نصفين و[قال]: «<خذ> هذا النصف يا {friend}.»
| ثم [قال] {hero}: «لا <تحزن> يا {friend}، نصف {the_thing} لك.»
<فرح> {friend} و<قال>: «شكرًا يا {hero}، أنت [صديق] [طيب].»
| <ضحك> {friend} و<أكل> نصف(ه) و<قال>: «ما أطيب {the_thing}!»
وفي اليوم التالي، [نسي] {hero} [طعامه] في البيت.
| وبعد يومين، [كان] {hero} [جائعًا]، ولم يكن [معه] طعام.
<جاء> {friend} و<معه> {thing} أكبر و<قال>: «سأعطيك نصف(ه) يا {hero}.»
| <أحضر> {friend} {a_thing} أكبر و<قال>: «(هذا) لنا معًا يا {hero}.»
[تعلم] {hero} أن الطعام مع الأصدقاء أطيب.
| ومنذ ذلك اليوم، [صار] {hero} [يأكل] مع {friend} كل يوم.
| [أكل] {hero} مع {friend}، و/كانا/ /سعيدين/.
"""

MISFORTUNES = ["<نسي> {friend} <طعامه> في البيت", "وقع طعام {friend} على الأرض", "لم يكن مع {friend} طعام"]


def sharing(story: Story) -> str:
    story.child()
    story.friend()
    story.thing(story.pick(FOODS), TASTES)
    story.set({"place": story.pick(["المدرسة", "الحديقة", "المتنزه", "الملعب"])})
    story.set({"where": story.pick(["تحت الشجرة", "على العشب", "على المقعد", "قرب السور"])})
    story.set({"misfortune": story.pick(MISFORTUNES)})
    return story.tell(SHARING)


# Two friends want the same toy; an apology makes them play with it in turn.
QUARREL = """
{opening}
{day}، [كان] {hero} [يلعب] مع {friend} في {place}.
| {day}، [ذهب] {hero} مع {friend} إلى {place}.
(كان) هناك {thing} {look} {where}.
| {where}، [رأى] {hero} {a_thing} {a_look}.

[أراد] {hero} {the_thing}، و<أراد> {friend} {the_thing} أيضًا.
| [أمسك] {hero} {the_thing}، لكن <صاحب>[ه] <أراد>(ه) أيضًا.
[قال] {hero}: «(هذا) لي!» و<قال> {friend}: «لا، بل لي أنا!»
| [صاح] {hero}: «أنا أولًا!» و<صاح> {friend}: «لا، بل أنا!»
[غضب] {hero} و[عاد] إلى البيت [وحده].
| [ترك] {hero} اللعب و[عاد] إلى البيت [غاضبًا].

[جلس] {hero} [حزينًا]. قالت الأم: «ماذا حدث يا {hero}؟»
| قالت الأم: «لماذا أنت [حزين] يا {hero}؟»
[قال] {hero}: «{friend} <يريد> {the_thing}، وأنا أريد(ه).» قالت الأم: «الصداقة أغلى من {the_thing}.»
| [حكى] {hero} لأم[ه] كل شيء. قالت الأم: «الصديق كنز يا {hero}.»
[عاد] {hero} إلى {friend} و[قال]: «أنا [آسف] يا {friend}.»
| [فكر] {hero} قليلًا، ثم [عاد] و[قال]: «أنا [آسف] يا {friend}.»
<ابتسم> {friend} و<قال>: «وأنا <آسف> أيضًا يا {hero}.»
| <قال> {friend}: «أنا أيضًا أخطأت يا {hero}.»
[لعب] {hero} ب{the_thing} مرة، و<لعب> {friend} (به) مرة.
| [قال] {hero}: «سنلعب ب{the_thing} معًا.» و/ضحكا/ من الفرح.
ومنذ ذلك اليوم، لم [يغضب] {hero} من {friend} أبدًا.
| [تعلم] {hero} أن اللعب مع الأصدقاء أجمل.
| {closing}
"""


def quarrel(story: Story) -> str:
    story.child()
    story.friend()
    story.thing(story.pick(TOYS), LOOKS)
    story.set({"place": story.pick(OUTDOORS), "where": story.pick(["تحت الشجرة", "فوق العشب", "قرب السور"])})
    return story.tell(QUARREL)


# A friend is missing at school; a present brings a smile to the sick-bed.
SICK_FRIEND = """
{opening}
[كان] {hero} [يلعب] مع {friend} كل يوم.
| <كان> {friend} <صديق> {hero}.

{day}، لم <يأت> {friend} إلى المدرسة. [سأل] {hero} المعلمة: «أين {friend}؟»
| {day}، [بحث] {hero} عن {friend} في المدرسة و[قال]: «أين {friend} يا معلمتي؟»
قالت المعلمة: «<هو> <مريض> يا {hero}.» و[حزن] {hero} كثيرًا.
| قالت المعلمة: «{friend} في البيت يا {hero}، <هو> <مريض>.»
[قال] {hero} في [نفسه]: «كيف أساعد <صديقي>؟»
| [أراد] {hero} أن [يذهب] إلى <صاحب>[ه] {friend}.

وفي البيت، قالت الأم: «ماذا <يحب> {friend} يا {hero}؟» [قال] {hero}: «<يحب> {the_gifts}.»
| [قال] {hero} لأم[ه]: «أريد هدية جميلة لأجل {friend}.» قالت الأم: «فكرة جميلة يا {hero}.»
[أخذ] {hero} {his_thing} {the_look} و[ذهب] إلى بيت {friend}.
<كان> {friend} في <سريره>، و<كان> <حزينًا>.
| <كان> {friend} <يجلس> في <سريره> و<ينظر> من النافذة.
[قال] {hero}: «(هذا) {the_thing} لك يا {friend}.»
| [ابتسم] {hero} و[قال]: «<انظر> يا {friend}، (هذا) {the_thing} لك.»
<فرح> {friend} و<قال>: «شكرًا يا {hero}، (هذا) أجمل {thing}!»
| <ضحك> {friend} و<قال>: «ما أجمل {the_thing} يا {hero}!»
وبعد أيام، <عاد> {friend} إلى المدرسة، و(كان) {the_thing} في <حقيبته>.
| ثم <عاد> {friend} إلى المدرسة و<معه> {the_thing}، و[فرح] {hero} كثيرًا.
| وبعد أسبوع، [لعب] {hero} مع {friend} في المدرسة من جديد.
"""

# What the friend loves, and the present that fits.
PRESENTS = {
    "صورة": "الصور",
    "دمية": "الدمى",
    "لعبة": "الألعاب",
    "كتاب": "الكتب",
    "دفتر": "الرسم",
    "قصة": "القصص",
}


def sick_friend(story: Story) -> str:
    story.child()
    story.friend()
    present = story.pick(list(PRESENTS))
    story.thing(present, [("جديد", "جديدة"), ("جميل", "جميلة"), ("صغير", "صغيرة")])
    story.set({"the_gifts": PRESENTS[present]})
    return story.tell(SICK_FRIEND)


# A stray animal is fed, and comes back as a friend.
HUNGRY_ANIMAL = """
{opening}
{day}، [سمع] {hero} صوتًا ضعيفًا {where}.
| {day}، [خرج] {hero} من البيت ف[سمع] صوتًا {where}.
[نظر] {hero} ف[رأى] {a_thing} {a_look}.
| [اقترب] {hero}، ف[وجد] هناك {a_thing} {a_look}.

(كان) {the_thing} (جائعًا) و(خائفًا).
| (كان) {the_thing} (يرتجف) من البرد والجوع.
[أراد] {hero} أن [يساعد](ه)، لكن {the_thing} (هرب) بعيدًا.
| [مد] {hero} [يده]، لكن {the_thing} (خاف) و(اختبأ).
[حزن] {hero} و[قال]: «لماذا (يخاف) مني؟»
| [قال] {hero}: «لا (تخف) مني، لن أؤذيك!»

[سأل] {hero} {kin_acc}: «كيف أساعد {the_thing} {o_kin}؟»
| [ذهب] {hero} إلى {kin_gen} و[حكى] <له> عن {the_thing}.
<قال> {kin}: «(هو) (جائع) يا {hero}. [خذ] {food} و[اجلس] بهدوء.»
| <قال> {kin}: «(يحتاج) {the_thing} إلى {food} يا {hero}.»
[وضع] {hero} {food} على الأرض.
| [أحضر] {hero} {food} و[انتظر] بهدوء.
(اقترب) {the_thing} ببطء و(أكل) كل شيء.
| وبعد قليل، (عاد) {the_thing} و(أكل) من يد {hero}.

وفي اليوم التالي، (عاد) {the_thing} و(جلس) قرب {hero}.
| وفي كل صباح، (كان) {the_thing} (يجلس) قرب الباب و(ينتظر)[ه].
<قال> {kin}: «(سيبقى) {the_thing} معنا يا {hero}.»
| <قال> {kin}: «(هو) (يحبك) يا {hero}، و(سيبقى) معنا.»
ومنذ ذلك اليوم، [صار] {hero} [يلعب] مع {the_thing} {the_look} كل يوم.
| و(صار) {the_thing} (ينام) كل ليلة قرب سرير {hero}.
| {joy}
"""

FOOD_FOR = {
    "قط": "بعض الحليب",
    "قطة": "بعض الحليب",
    "كلب": "قطعة لحم",
    "عصفور": "بعض الحبوب",
    "أرنب": "جزرة",
    "أرنبة": "جزرة",
    "بطة": "بعض الخبز",
}


def hungry_animal(story: Story) -> str:
    story.child()
    story.kin(PARENTS)
    animal = story.pick(list(FOOD_FOR))
    story.thing(animal, [("أبيض", "بيضاء"), ("أسود", "سوداء"), ("صغير", "صغيرة"), ("جميل", "جميلة")])
    story.set({"food": FOOD_FOR[animal]})
    story.set({"where": story.pick(["خلف السور", "تحت الشجرة", "قرب الباب", "بين الأزهار"])})
    return story.tell(HUNGRY_ANIMAL)


PLOTS = [new_friend, sharing, quarrel, sick_friend, hungry_animal]
