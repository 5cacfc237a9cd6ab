"""The words of the Arabic story corpus, as data.

Names, animals, things, places, family members, and phrases that any story may use. Words that change
with gender are in agreement.py. Spelling, in all stories: the tanwin of the accusative is written on the
letter before the alif (كتابًا); no other vowel signs are written.
"""

from __future__ import annotations

from typing import NamedTuple


def _words(text: str) -> list[str]:
    return text.split()


# First names. None takes a prefix in a story, none is also a common verb, and a name is never the
# object of a verb (many men's names would then need a tanwin).
GIRLS = _words("ليلى سلمى مريم سارة هدى ريم زينب لينا رنا دينا مها هند منى نادية سلوى رشا ندى سعاد هالة ياسمين")
BOYS = _words("خالد يوسف عمر ماجد طارق مازن بلال أنس آدم ياسر ناصر فارس تامر زياد أيمن عادل مروان رائد هشام حسام")
FEMALE_ANIMAL_NAMES = _words("لولو سوسو بسبوسة لؤلؤة ميمي زيتونة")
MALE_ANIMAL_NAMES = _words("نونو سمسم فرفور مشمش زعتر كوكو")

# Nouns in -ة are feminine, all others here are masculine.
FEMALE_ANIMALS = _words("قطة سلحفاة غزالة بطة دجاجة أرنبة نملة")
MALE_ANIMALS = _words("أرنب قط كلب فيل دب سنجاب قنفذ")
GATHERERS = (_words("أرنب سنجاب قنفذ فأر"), _words("أرنبة نملة فأرة"))
PLANT_EATERS = (_words("أرنب فيل دب سنجاب قنفذ"), _words("سلحفاة غزالة أرنبة بطة نملة"))
NIMBLE = (_words("أرنب سنجاب قط فأر"), _words("أرنبة قطة فأرة"))

TOYS = _words("كرة دمية سيارة طائرة طبلة قطار حصان قارب")
KEEPSAKES = _words("كرة دمية قبعة حقيبة ساعة كتاب دفتر قلم وشاح قطار")
FRAGILE = _words("مزهرية ساعة كوب إبريق صحن مصباح")
FOODS = _words("تفاحة كعكة برتقالة فطيرة موزة شطيرة رغيف")
HANDMADE = _words("بطاقة لوحة قلادة لعبة صندوق قبعة")

# Adjectives, masculine and feminine. The colours are diptotes: no tanwin.
COLOURS = [("أحمر", "حمراء"), ("أزرق", "زرقاء"), ("أخضر", "خضراء"), ("أصفر", "صفراء"), ("أبيض", "بيضاء")]
LOOKS = [*COLOURS, ("جديد", "جديدة"), ("جميل", "جميلة"), ("صغير", "صغيرة")]
TASTES = [("لذيذ", "لذيذة"), ("كبير", "كبيرة"), ("طازج", "طازجة")]
DIPTOTES = {"أسود", *(masculine for masculine, _ in COLOURS)}

# Openings that begin with the day of the story itself.
MORNINGS = [
    "ذات صباح، [استيقظ] {hero} مبكرًا. [كان] {hero} {a_kind}.",
    "في صباح مشمس، [فتح] {hero} [عينيه] و[ابتسم]. [كان] {hero} {a_kind}.",
    "في يوم من الأيام، [جلس] {hero} تحت شجرة. [كان] {hero} {a_kind}.",
    "ذات صباح جميل، [جلس] {hero} قرب الباب. [كان] {hero} {a_kind}.",
]

# Phrases that any story may use; for the marks see telling.py.
ANY_STORY = {
    "day": ["في يوم من الأيام", "ذات صباح", "ذات يوم", "في أحد الأيام", "في صباح هادئ"],
    "night": ["في ليلة باردة", "في ليلة مظلمة", "ذات ليلة", "في ليلة من الليالي"],
    "old_opening": [
        "كان يا ما كان، [كان] هناك {kind} [اسمه] {hero}.",
        "كان يا ما كان، في {home}، {kind} [اسمه] {hero}.",
        "في قديم الزمان، [عاش] {kind} [اسمه] {hero} في {home}.",
        "[كان] هناك {kind} [اسمه] {hero}.",
        "[عاش] {kind} [اسمه] {hero} في {home}.",
        "في {home}، [عاش] {kind} [اسمه] {hero}.",
        "[كان] {hero} {a_kind} [يعيش] في {home}.",
        "{hero} {kind} [يعيش] في {home}.",
        "هذه قصة {kind} [اسمه] {hero}.",
        "منذ زمن بعيد، [عاش] {kind} [اسمه] {hero} في {home}.",
    ],
    "trait": [
        "و[كان] {hero} [يحب] {hobby} كثيرًا.",
        "و[كان] {hero} [طيبًا] و[ذكيًا].",
        "و[كان] {hero} [يحب] {hobby}.",
        "و[كان] {hero} [لطيفًا] مع الجميع.",
        "وكان الجميع يحبون[ه].",
    ],
    "closing": [
        "[نام] {hero} تلك الليلة [سعيدًا].",
        "وهكذا انتهى يوم {hero} الجميل.",
        "[شعر] {hero} بسعادة كبيرة.",
        "[نام] {hero} وعلى [وجهه] ابتسامة.",
        "[كان] {hero} [سعيدًا] جدًا.",
    ],
    "joy": ["[شعر] {hero} بسعادة كبيرة.", "[كان] {hero} [سعيدًا] جدًا.", "[ضحك] {hero} من الفرح."],
}
HOMES = [
    "قرية صغيرة",
    "مدينة كبيرة",
    "بيت جميل قرب البحر",
    "بيت صغير بين الأشجار",
    "بيت قديم قرب النهر",
    "قرية بعيدة",
]
WILD_HOMES = ["غابة كبيرة", "غابة خضراء", "مزرعة جميلة", "غابة قرب النهر", "مزرعة بعيدة"]
OUTDOORS = ["الحديقة", "الساحة", "الملعب", "المتنزه"]
HOBBIES = ["الرسم", "القصص", "الغناء", "اللعب في الحديقة", "الزهور", "الحيوانات", "البحر", "النجوم"]
WILD_HOBBIES = [
    "الغناء",
    "الزهور",
    "اللعب تحت الشمس",
    "الجري بين الأشجار",
    "النوم تحت الشجرة",
    "القفز فوق العشب",
]


class Kin(NamedTuple):
    """A member of the hero's family: the stem before a possessive pronoun in three cases."""

    nominative: str
    accusative: str
    genitive: str
    address: str
    female: bool


MOTHER = Kin("أم", "أم", "أم", "يا أمي", True)
FATHER = Kin("أبو", "أبا", "أبي", "يا أبي", False)
GRANDMOTHER = Kin("جدت", "جدت", "جدت", "يا جدتي", True)
GRANDFATHER = Kin("جد", "جد", "جد", "يا جدي", False)
AUNT = Kin("خالت", "خالت", "خالت", "يا خالتي", True)
UNCLE = Kin("عم", "عم", "عم", "يا عمي", False)
ELDERS = [MOTHER, FATHER, GRANDMOTHER, GRANDFATHER, AUNT, UNCLE]
PARENTS = [MOTHER, FATHER]
GRANDPARENTS = [GRANDMOTHER, GRANDFATHER]
