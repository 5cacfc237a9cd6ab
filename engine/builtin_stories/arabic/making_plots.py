"""Plots in which a child learns, grows or makes something: <marks> agree with the one who helps."""

from __future__ import annotations

from engine.builtin_stories.arabic.telling import Story
from engine.builtin_stories.arabic.words import COLOURS, ELDERS, GRANDPARENTS, HANDMADE, LOOKS, PARENTS

# The hero tries, fails, is shown how, and can do it in the end.
NEW_SKILL = """
{opening}
? {trait}
[أراد] {hero} أن [يتعلم] {skill}.
| [كان] {hero} [يحلم] بأن [يتعلم] {skill}.

{day}، [حاول] {hero} لأول مرة، لكن[ه] لم [ينجح]. {failed}.
| {day}، [بدأ] {hero} [يتعلم]، لكن الأمر كان صعبًا. {failed}.
[حاول] {hero} مرة ثانية، ولم [ينجح] أيضًا.
| [غضب] {hero} و[جلس] على الأرض.
| [حزن] {hero} و[كاد] [يبكي].
[قال] {hero}: «لا أستطيع!»
| [قال] {hero}: «لن أتعلم {skill} أبدًا!»
| [قال] {hero}: «هذا صعب جدًا!»

<قال> {kin}: «لا [تحزن] يا {hero}. كل شيء صعب في البداية.»
| <سمع>[ه] {kin} و<قال>: «أنا أيضًا تعلمت ببطء يا {hero}. سأساعدك.»
<جلس> {kin} قرب {hero} و<ساعد>[ه] بصبر.
| وفي كل يوم، [تدرب] {hero} مع {kin_gen}.
| [حاول] {hero} مع {kin_gen} مرة بعد مرة.
وبعد أيام، {did}!
| وفي اليوم السابع، {did}!
| وأخيرًا، {did}!
[صاح] {hero}: «<انظر> {o_kin}، لقد نجحت!»
| [قال] {hero}: «لقد نجحت {o_kin}!»
| <قال> {kin}: «أحسنت يا {hero}!»
[تعلم] {hero} أن الصبر طريق النجاح.
| ومنذ ذلك اليوم، [صار] {hero} {later} كل يوم.
| ومنذ ذلك اليوم، لم [يقل] {hero}: «لا أستطيع.»
| {joy}
"""

SKILLS = [
    {
        "skill": "ركوب الدراجة",
        "failed": "[ركب] {hero} الدراجة و[وقع] على الأرض",
        "did": "[ركب] {hero} الدراجة [وحده]",
        "later": "[يركب] الدراجة",
    },
    {
        "skill": "السباحة",
        "failed": "[خاف] {hero} من الماء البارد",
        "did": "[سبح] {hero} في الماء [وحده]",
        "later": "[يسبح]",
    },
    {
        "skill": "القراءة",
        "failed": "[فتح] {hero} الكتاب ولم [يعرف] الكلمات",
        "did": "[قرأ] {hero} قصة كاملة [وحده]",
        "later": "[يقرأ] قصة",
    },
    {
        "skill": "الرسم",
        "failed": "[رسم] {hero} حصانًا، لكن الحصان كان مثل الدجاجة",
        "did": "[رسم] {hero} حصانًا جميلًا",
        "later": "[يرسم] صورة",
    },
    {
        "skill": "الكتابة",
        "failed": "[كتب] {hero} [اسمه]، لكن الحروف كانت مائلة",
        "did": "[كتب] {hero} [اسمه] بخط جميل",
        "later": "[يكتب] في [دفتره]",
    },
    {
        "skill": "صنع الخبز",
        "failed": "[نسي] {hero} الخبز في الفرن فاحترق",
        "did": "[خبز] {hero} خبزًا لذيذًا",
        "later": "[يخبز] مع {kin_gen}",
    },
]


def new_skill(story: Story) -> str:
    story.child()
    story.kin(ELDERS)
    story.set(story.pick(SKILLS))
    return story.tell(NEW_SKILL)


# A seed needs patience and water; what grows from it becomes a present.
GARDEN = """
{opening}
{day}، <أعطا>[ه] {kin} {seed} و<قال>: «هذه لك يا {hero}.»
| {day}، [وجد] {hero} {seed}. <قال> {kin}: «[ازرع]ها يا {hero} في الحديقة.»
[زرع] {hero} البذرة {where} و[سقا]ها بالماء.
| [حفر] {hero} {where} و[وضع] البذرة في التراب.

وفي الصباح، [ركض] {hero} إلى الحديقة، لكن[ه] لم [ير] شيئًا.
| مر يوم ويومان، ولم تظهر {the_plant}.
[قال] {hero}: «أين {the_plant} {o_kin}؟» و[كان] [حزينًا].
| [حزن] {hero} و[قال]: «لماذا لا تكبر البذرة {o_kin}؟»
| [أراد] {hero} أن [يخرج] البذرة من التراب ل[يرا]ها.
<قال> {kin}: «البذرة تحتاج إلى الماء والشمس والصبر يا {hero}.»
| <ضحك> {kin} و<قال>: «لا [تقلق] يا {hero}. البذرة نائمة، وستكبر قريبًا.»

[سقى] {hero} البذرة كل صباح.
| وفي كل يوم، [أعطى] {hero} البذرة بعض الماء و[غنى] لها.
| [صبر] {hero}، ولم [ينس] الماء يومًا واحدًا.
وبعد أيام، [رأى] {hero} ورقة خضراء صغيرة!
| ثم ظهرت ورقة خضراء، و[صاح] {hero} من الفرح!
كبرت {the_plant} يومًا بعد يوم، وصارت فيها {gift}.
| ومرت الأيام وكبرت {the_plant}، و[رأى] {hero} فيها {gift}.
[أخذ] {hero} {the_gift} إلى {kin_gen} و[قال]: «هذه لك {o_kin}.»
| [قدم] {hero} {the_gift} إلى {kin_gen} و[قال]: «هذه هدية لك {o_kin}!»
[تعلم] {hero} أن الصبر جميل.
| <قال> {kin}: «هذه أجمل هدية يا {hero}!»
| {joy}
"""

SEEDS = [
    {"seed": "بذرة صغيرة", "the_plant": "النبتة", "gift": "زهرة جميلة", "the_gift": "الزهرة"},
    {"seed": "بذرة صغيرة", "the_plant": "النبتة", "gift": "وردة حمراء", "the_gift": "الوردة"},
    {"seed": "بذرة تفاح", "the_plant": "الشجرة", "gift": "تفاحة حمراء", "the_gift": "التفاحة"},
    {"seed": "بذرة ليمون", "the_plant": "الشجرة", "gift": "ليمونة صفراء", "the_gift": "الليمونة"},
    {"seed": "بذرة برتقال", "the_plant": "الشجرة", "gift": "برتقالة كبيرة", "the_gift": "البرتقالة"},
    {"seed": "بذرة بطيخ", "the_plant": "النبتة", "gift": "بطيخة كبيرة", "the_gift": "البطيخة"},
]


def garden(story: Story) -> str:
    story.child()
    story.kin(ELDERS)
    story.set(story.pick(SEEDS))
    story.set({"where": story.pick(["قرب السور", "خلف البيت", "قرب الباب", "تحت النافذة"])})
    return story.tell(GARDEN)


# A birthday present is made in secret, with a little help.
SURPRISE = """
{opening}
{day}، [تذكر] {hero} أن عيد ميلاد {kin_gen} غدًا.
| كان عيد ميلاد {kin_gen} في الغد، و[أراد] {hero} أن [يفاجئ] {kin_acc}.

[فكر] {hero} و[قال]: «ماذا أعطي {my_kin}؟ ليس معي نقود.»
| لم تكن مع {hero} نقود ل[يشتري] هدية.
[قال] {hero}: «سأصنع {a_thing} {a_look}!» لكن الأمر كان صعبًا.
| [بدأ] {hero} [يصنع] {a_thing} {a_look}، لكن[ه] لم [يعرف] كيف.
| [أراد] {hero} أن [يصنع] {a_thing} {a_look}، لكن[ه] لم [ينجح].
[طلب] {hero} المساعدة من أخت[ه] الكبرى.
| [قال] {hero} لأخت[ه] الكبرى: «هل تساعدينني؟»
قالت الأخت: «نعم يا {hero}، سنعمل معًا.»
| ابتسمت الأخت وقالت: «هذه فكرة جميلة يا {hero}!»
[عمل] {hero} مع أخت[ه]، ثم [خبأ] {the_thing} {hidden}.
| [صنع] {hero} {the_thing} مع أخت[ه]، ثم [خبأ] {the_thing} {hidden}.

وفي الصباح، <قال> {kin}: «صباح الخير يا {hero}.»
| وفي اليوم التالي، <دخل> {kin} إلى الغرفة.
[أحضر] {hero} {the_thing} {the_look} و[قال]: «عيد ميلاد سعيد {o_kin}!»
| [أحضر] {hero} {the_thing} و[قال]: «هذه هديتي لك {o_kin}!»
<فرح> {kin} كثيرًا و<عانق>[ه].
| <ضحك> {kin} من الفرح و<قال>: «ما أجمل {the_thing}!»
ثم <قال>: «هذه أجمل هدية يا {hero}.»
| ثم <قال>: «شكرًا يا {hero}، أنا <سعيد> جدًا.»
[تعلم] {hero} أن الهدية الجميلة تأتي من القلب.
| {closing}
"""


def surprise(story: Story) -> str:
    story.child()
    story.kin(PARENTS + GRANDPARENTS)
    story.thing(story.pick(HANDMADE), [("كبير", "كبيرة"), ("جميل", "جميلة"), *COLOURS])
    story.set({"hidden": story.pick(["خلف الباب", "في الخزانة", "تحت السرير"])})
    return story.tell(SURPRISE)


# Two friends build something; it fails, they find out why, and it works.
BUILDING = """
{opening}
? {trait}
{day}، [أراد] {hero} أن [يصنع] {a_thing} {a_look}.
| {day}، [قال] {hero}: «سأصنع {a_thing}!»

[جمع] {hero} {parts} و[بدأ] العمل [وحده].
| [أحضر] {hero} {parts} من البيت و[عمل] طوال الصباح.
لكن {the_thing} {failed}.
| وفجأة، {failed} {the_thing}.
[حزن] {hero} و[قال]: «لماذا {failed} {the_thing}؟»
| [جلس] {hero} على الأرض و[قال]: «لا أستطيع أن أصنع {a_thing}.»
| [غضب] {hero} و[قال]: «هذا العمل صعب جدًا!»

<رأى> {friend} وجه {hero} الحزين و<قال>: «هل أساعدك يا {hero}؟»
| <جاء> {friend} و<قال>: «لا [تحزن] يا {hero}، سنعمل معًا.»
<نظر> {friend} إلى {the_thing} و<قال>: «{cause}. {remedy}.»
| <فكر> {friend} قليلًا و<قال>: «{cause} يا {hero}. {remedy}.»
[عمل] {hero} مع {friend} حتى المساء.
| [أمسك] {hero} {the_thing}، و<عمل> {friend} [معه] بصبر.
| [فرح] {hero} بالفكرة، و[عمل] مع {friend} من جديد.
وأخيرًا، {worked}!
| وفي اليوم التالي، {worked}!
[صاح] {hero}: «<انظر> يا {friend}، لقد نجحنا!»
| [ضحك] {hero} و[قال]: «شكرًا يا {friend}!»
[تعلم] {hero} أن العمل مع الأصدقاء أسهل.
| ومنذ ذلك اليوم، [كان] {hero} [يلعب] مع {friend} {playing}.
| {closing}
"""

# Things to build: of what, how it fails, why, what helps, and how it works in the end.
PROJECTS = {
    "طائرة": {
        "parts": "الورق والخيط",
        "failed": "وقعت",
        "cause": "الورق ثقيل",
        "remedy": "سنأخذ ورقًا خفيفًا",
        "worked": "طارت الطائرة فوق الأشجار",
        "playing": "بالطائرة",
    },
    "قارب": {
        "parts": "الخشب والحبل",
        "failed": "غرق",
        "cause": "في الخشب ثقب صغير",
        "remedy": "سنغلق الثقب",
        "worked": "سار القارب فوق الماء",
        "playing": "بالقارب",
    },
    "سيارة": {
        "parts": "الخشب والعجلات",
        "failed": "توقفت",
        "cause": "العجلة مائلة",
        "remedy": "سنصلح العجلة",
        "worked": "سارت السيارة بسرعة",
        "playing": "بالسيارة",
    },
    "أرجوحة": {
        "parts": "الخشب والحبل",
        "failed": "سقطت",
        "cause": "الحبل ضعيف",
        "remedy": "سنحضر حبلًا قويًا",
        "worked": "طارت الأرجوحة عاليًا ولم تسقط",
        "playing": "على الأرجوحة",
    },
    "كوخ": {
        "parts": "الخشب والقماش",
        "failed": "سقط",
        "cause": "الهواء قوي هنا",
        "remedy": "سنبني الكوخ خلف السور",
        "worked": "وقف الكوخ ولم يسقط",
        "playing": "في الكوخ",
    },
}


def building(story: Story) -> str:
    story.child()
    story.friend()
    project = story.pick(list(PROJECTS))
    story.thing(project, LOOKS)
    story.set(PROJECTS[project])
    return story.tell(BUILDING)


PLOTS = [new_skill, garden, surprise, building]
