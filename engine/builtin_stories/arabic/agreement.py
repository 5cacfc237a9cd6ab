"""Words of the stories that change with gender: masculine forms, and the feminine form of each.

Regular ones follow a rule in `feminine`; the others are listed in PAIRS. Masculine forms differ from
one another by person ("يحزن" he is sad, "تحزن" you are sad), so that one table is enough.
"""

from __future__ import annotations

from functools import cache

PAST = """
أحضر/أحضرت أخذ/أخذت أخرج/أخرجت أراد/أرادت أسرع/أسرعت أصلح/أصلحت أضاع/أضاعت أعطا/أعطت أعطى/أعطت
أكل/أكلت أمسك/أمسكت ابتسم/ابتسمت ابتعد/ابتعدت اختبأ/اختبأت استيقظ/استيقظت اقترب/اقتربت انتظر/انتظرت
انكسر/انكسرت بحث/بحثت بدأ/بدأت بكى/بكت تدرب/تدربت تذكر/تذكرت ترك/تركت تعلم/تعلمت جاء/جاءت جلس/جلست
جمع/جمعت حاول/حاولت حزن/حزنت حفر/حفرت حكى/حكت حمل/حملت خاف/خافت خبأ/خبأت خبز/خبزت خجل/خجلت خرج/خرجت
دخل/دخلت ذهب/ذهبت رأى/رأت رسم/رسمت ركب/ركبت ركض/ركضت رمى/رمت زرع/زرعت سأل/سألت سار/سارت ساعد/ساعدت
سبح/سبحت سقا/سقت سقى/سقت سكت/سكتت سمع/سمعت شعر/شعرت صاح/صاحت صار/صارت صبر/صبرت صنع/صنعت ضاع/ضاعت
ضحك/ضحكت ضرب/ضربت طرق/طرقت طلب/طلبت عاد/عادت عاش/عاشت عانق/عانقت عمل/عملت غسل/غسلت غضب/غضبت غنى/غنت
فتح/فتحت فرح/فرحت فكر/فكرت قال/قالت قدم/قدمت قرأ/قرأت قسم/قسمت قطع/قطعت قفز/قفزت كاد/كادت كان/كانت
كتب/كتبت لعب/لعبت مد/مدت مرض/مرضت نادى/نادت نام/نامت نسي/نسيت نظر/نظرت هرب/هربت وجد/وجدت وصل/وصلت
وضع/وضعت وقع/وقعت وقف/وقفت
"""

# Said to somebody: the imperative, and the present after "don't", "why" and the like.
SECOND_PERSON = """
اجلس/اجلسي ادخل/ادخلي ازرع/ازرعي انظر/انظري تعال/تعالي خذ/خذي ساعدني/ساعديني تبتعد/تبتعدي تبك/تبكي
تحزن/تحزني تخف/تخافي تذهب/تذهبي تريد/تريدين تقلق/تقلقي
"""

DUAL = """
أكلا/أكلتا سارا/سارتا جمعا/جمعتا صارا/صارتا ضحكا/ضحكتا كانا/كانتا وصلا/وصلتا سعيدين/سعيدتين
صديقين/صديقتين
"""

NOUNS_AND_ADJECTIVES = """
آسف/آسفة جائع/جائعة جديد/جديدة حزين/حزينة خائف/خائفة سعيد/سعيدة شجاع/شجاعة صادق/صادقة صغير/صغيرة
كبير/كبيرة طيب/طيبة مريض/مريضة صديق/صديقة صديقي/صديقتي صاحب/صاحبت ولد/بنت ولدًا/بنتًا الولد/البنت
هذا/هذه هو/هي يده/يدها سيبقى/ستبقى
"""


def pairs(text: str) -> dict[str, str]:
    """The feminine form of each masculine form in a text of masculine/feminine pairs."""
    return dict(pair.split("/") for pair in text.split())


PAIRS = pairs(PAST + SECOND_PERSON + DUAL + NOUNS_AND_ADJECTIVES)


@cache
def feminine(word: str) -> str:
    """The feminine form of a masculine word. Raises KeyError for a word that no pair or rule covers."""
    if word in PAIRS:
        return PAIRS[word]
    if word.startswith("ي"):  # "he does" -> "she does"
        return "ت" + word[1:]
    if word.endswith("ه"):  # "his", "him" -> "her"
        return word + "ا"
    if word.endswith("ًا"):  # an adjective in the accusative
        return word[:-2] + "ة"
    raise KeyError(word)
