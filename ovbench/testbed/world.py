"""The world of TinyOV: voices, topics and emotion families, as plain tables.

An emotion family is heard in one voice and spoken about some topics. No voice and no topic belongs
to one family alone; a voice and a topic together do (``tests/testbed`` checks it). So a system
that reads only the acoustic description, or only the transcript, loses.
"""

from __future__ import annotations

from typing import NamedTuple

FEATURES = ("pitch", "energy", "rate", "quality", "pauses")
"""What an acoustic description speaks of, in the order of a voice's levels."""

LEVELS: dict[str, dict[str, tuple[str, ...]]] = {
    "pitch": {
        "high": ("high", "raised", "shrill"),
        "low": ("low", "deep", "lowered"),
        "middle": ("middling", "moderate", "standard"),
        "jumping": ("jumping", "swooping", "leaping"),
    },
    "energy": {
        "loud": ("loud", "strong", "forceful"),
        "soft": ("quiet", "soft", "faint"),
        "medium": ("medium", "normal", "usual"),
        "bursting": ("bursting", "spiking", "surging"),
    },
    "rate": {
        "fast": ("fast", "quick", "rushed"),
        "slow": ("slow", "dragging", "lingering"),
        "steady": ("steady", "regular", "measured"),
        "uneven": ("faltering", "halting", "stumbling"),
    },
    "quality": {
        "bright": ("bright", "ringing", "lively"),
        "harsh": ("harsh", "rough", "rasping"),
        "dull": ("dull", "breathy", "hollow"),
        "shaky": ("shaky", "trembling", "quivering"),
        "warm": ("warm", "smooth", "mellow"),
        "flat": ("flat", "toneless", "plain"),
        "gasping": ("gasping", "breathless", "choked"),
        "tight": ("tight", "clipped", "nasal"),
    },
    "pauses": {
        "few": ("few", "rare", "scarce"),
        "long": ("long", "heavy", "drawn-out"),
        "short": ("short", "brief", "small"),
        "broken": ("broken", "abrupt", "jerky"),
    },
}
"""Feature → level → the words a description may use for it."""

VOICES: dict[str, tuple[str, ...]] = {
    "bright": ("high", "loud", "fast", "bright", "few"),
    "harsh": ("low", "loud", "fast", "harsh", "short"),
    "heavy": ("low", "soft", "slow", "dull", "long"),
    "shaky": ("high", "soft", "uneven", "shaky", "broken"),
    "warm": ("middle", "soft", "steady", "warm", "short"),
    "flat": ("middle", "medium", "steady", "flat", "few"),
    "sudden": ("jumping", "bursting", "uneven", "gasping", "broken"),
    "tight": ("middle", "medium", "slow", "tight", "long"),
}
"""Voice → its level of each feature, in the order of ``FEATURES``."""

TOPICS: dict[str, tuple[str, ...]] = {
    "success": (
        "the award", "first place", "my promotion", "the medal", "our victory", "the trophy",
        "my diploma", "the grand prize",
    ),
    "gift": (
        "the present", "these flowers", "your letter", "the surprise cake", "the bracelet",
        "this bouquet", "your postcard", "the invitation",
    ),
    "exam": (
        "the exam", "my interview", "the surgery", "the audition", "my speech", "the test results",
        "the final match", "the driving test",
    ),
    "loss": (
        "the funeral", "our last goodbye", "her grave", "the old dog dying", "his empty chair",
        "the hospice", "the divorce", "her farewell",
    ),
    "betrayal": (
        "that lie", "the broken promise", "the secret affair", "the stolen money", "his excuse",
        "the fake contract", "their scheme", "that false report",
    ),
    "delay": (
        "the traffic jam", "the late train", "this queue", "the frozen screen", "the dead battery",
        "the lost luggage", "the hotline", "the cancelled flight",
    ),
    "mess": (
        "the rotten meat", "the mouldy bread", "the cockroach", "that filthy sink", "the sewage",
        "the sour milk", "the vomit", "the dirty plates",
    ),
    "danger": (
        "the footsteps", "the dark alley", "the fire alarm", "the stranger outside", "the gunshot",
        "the flooded bridge", "the barking pack", "that shadow",
    ),
    "family": (
        "the baby", "my grandmother", "our wedding", "the kids", "my little brother",
        "our old home", "my parents", "the family dinner",
    ),
    "mistake": (
        "my mistake", "the vase I dropped", "the birthday I forgot", "the wrong email I sent",
        "the scratch I made", "the key I lost", "my clumsy answer", "the coffee I spilled",
    ),
    "gossip": (
        "the whispers", "their jokes", "the nickname", "the comments online", "the rumour",
        "their giggling", "that remark", "the video of me",
    ),
    "idle": (
        "the rain", "the empty evening", "the sofa", "the long Sunday", "a cup of tea",
        "the ticking clock", "the quiet lake", "another weekend",
    ),
    "news": (
        "the phone call", "the twins", "the headline", "the blood test", "the sudden visit",
        "the announcement", "the knock on the door", "the message",
    ),
    "puzzle": (
        "the map", "the instructions", "the new plan", "the formula", "the strange code",
        "the machine", "the blueprint", "the riddle",
    ),
    "rival": (
        "her new car", "his big house", "their trip abroad", "her perfect score", "his fame",
        "my rival winning", "their fortune", "her talent",
    ),
    "work": (
        "the deadline", "the night shift", "these emails", "the overtime", "the meeting",
        "the report", "the project", "the double shift",
    ),
}  # fmt: skip
"""Topic → the cue phrases a transcript may use for it."""

TAGS: dict[str, tuple[str, ...]] = {
    "good": ("how wonderful", "just perfect", "what a day", "that is great"),
    "bad": ("how awful", "it is too much", "this is terrible", "why now"),
    "open": ("is that so", "who knows", "let me see", "what next"),
    "none": ("well", "you know", "anyway", "as I said"),
}
"""Kind of aside → its wordings. Scorn says ``good`` and does not mean it: the voice decides."""


class Family(NamedTuple):
    """One emotion: where it is heard and said, and the words that name it.

    ``valence`` is in -3..3, ``arousal`` in 0..1. ``words`` run from common to rare; the words of
    ``only_dev`` and ``only_test`` are used in that split alone.
    """

    name: str
    valence: int
    arousal: float
    category: str
    weight: float
    voice: str
    topics: tuple[str, ...]
    tag: str
    words: tuple[str, ...]
    only_dev: str
    only_test: str


def _family(
    name: str,
    feeling: tuple[int, float, str, float],
    said: tuple[str, str, str],
    words: str,
    only: str,
) -> Family:
    valence, arousal, category, weight = feeling
    voice, topics, tag = said
    dev, test = only.split(",")
    return Family(
        name, valence, arousal, category, weight, voice, tuple(topics.split()), tag,
        tuple(words.split(",")), dev, test,
    )  # fmt: skip


FAMILIES: tuple[Family, ...] = (
    _family(
        "joy", (3, 0.8, "happy", 6), ("bright", "success gift family", "good"),
        "happy,joyful,cheerful,delighted,glad,elated,jubilant,overjoyed", "jolly,gleeful",
    ),
    _family(
        "excitement", (2, 1.0, "happy", 4), ("bright", "news rival puzzle", "open"),
        "excited,thrilled,enthusiastic,eager,energetic,passionate,exhilarated", "zealous,ecstatic",
    ),
    _family(
        "hope", (2, 0.6, "happy", 3), ("bright", "exam work", "good"),
        "hopeful,optimistic,inspired,encouraged,motivated,confident", "upbeat,expectant",
    ),
    _family(
        "amusement", (2, 0.7, "happy", 3), ("bright", "mistake gossip mess", "none"),
        "amused,playful,silly,cheeky,teasing,frisky", "entertained,mischievous",
    ),
    _family(
        "pride", (3, 0.5, "happy", 2), ("warm", "success work", "good"),
        "proud,successful,important,triumphant,accomplished,powerful", "honored,worthy",
    ),
    _family(
        "gratitude", (3, 0.4, "happy", 3), ("warm", "gift", "good"),
        "grateful,thankful,appreciative,moved,appreciated", "blessed,obliged",
    ),
    _family(
        "love", (3, 0.4, "happy", 3), ("warm", "family", "none"),
        "loving,affectionate,tender,caring,fond,devoted,intimate", "adoring,warmhearted",
    ),
    _family(
        "calm", (1, 0.1, "neutral", 4), ("warm", "idle puzzle", "none"),
        "calm,peaceful,relaxed,serene,content,tranquil", "placid,soothed",
    ),
    _family(
        "relief", (2, 0.3, "happy", 2), ("warm", "exam danger delay", "good"),
        "relieved,safe,reassured,comforted,satisfied", "secure,eased",
    ),
    _family(
        "compassion", (-1, 0.3, "sad", 2), ("warm", "loss mistake", "bad"),
        "sympathetic,compassionate,pity,understanding,pitying", "merciful,concerned",
    ),
    _family(
        "admiration", (2, 0.4, "happy", 2), ("warm", "rival news", "good"),
        "interested,curious,respectful,fascinated,awe,captivated", "enthralled,inquisitive",
    ),
    _family(
        "surprise", (1, 0.9, "surprise", 5), ("sudden", "news success gift", "good"),
        "surprised,amazed,astonished,awestruck,dazzled,astounded", "flabbergasted,dumbfounded",
    ),
    _family(
        "shock", (-2, 1.0, "surprise", 3), ("sudden", "danger loss betrayal", "bad"),
        "shocked,startled,stunned,dismayed,appalled", "horrified,aghast",
    ),
    _family(
        "confusion", (-1, 0.5, "surprise", 4), ("sudden", "puzzle work rival", "open"),
        "confused,puzzled,bewildered,perplexed,baffled,lost", "disoriented,mystified",
    ),
    _family(
        "fear", (-3, 0.9, "fear", 4), ("shaky", "danger loss", "bad"),
        "afraid,scared,terrified,fearful,panicked,frightened,threatened", "panicky,alarmed",
    ),
    _family(
        "anxiety", (-2, 0.7, "fear", 6), ("shaky", "exam news delay", "bad"),
        "anxious,worried,nervous,tense,uneasy,stressed,overwhelmed", "apprehensive,restless",
    ),
    _family(
        "insecurity", (-2, 0.5, "fear", 2), ("shaky", "rival success", "open"),
        "insecure,inadequate,inferior,hesitant,doubtful,vulnerable", "worthless,timid",
    ),
    _family(
        "shame", (-2, 0.5, "sad", 2), ("shaky", "mistake gossip", "none"),
        "embarrassed,ashamed,humiliated,awkward,self-conscious", "sheepish,mortified",
    ),
    _family(
        "sadness", (-3, 0.2, "sad", 6), ("heavy", "loss family", "bad"),
        "sad,sorrowful,grief,unhappy,depressed,gloomy,melancholy,heartbroken", "mournful,tearful",
    ),
    _family(
        "loneliness", (-2, 0.1, "sad", 2), ("heavy", "idle gift", "none"),
        "lonely,isolated,abandoned,empty,excluded,forgotten", "deserted,alone",
    ),
    _family(
        "disappointment", (-2, 0.3, "sad", 4), ("heavy", "success rival delay exam", "bad"),
        "disappointed,discouraged,let down,regretful,dissatisfied", "disheartened,disillusioned",
    ),
    _family(
        "hurt", (-3, 0.3, "sad", 3), ("heavy", "betrayal gossip", "bad"),
        "hurt,betrayed,wounded,rejected,offended,pained", "victimized,aggrieved",
    ),
    _family(
        "guilt", (-2, 0.2, "sad", 2), ("heavy", "mistake", "bad"),
        "guilty,remorseful,sorry,apologetic,repentant", "contrite,penitent",
    ),
    _family(
        "tiredness", (-1, 0.0, "sad", 2), ("heavy", "work puzzle", "none"),
        "tired,exhausted,weary,sleepy,drained", "fatigued,drowsy",
    ),
    _family(
        "despair", (-3, 0.4, "sad", 2), ("heavy", "danger news", "bad"),
        "helpless,hopeless,powerless,despair,desperate", "miserable,devastated",
    ),
    _family(
        "anger", (-3, 0.9, "angry", 6), ("harsh", "betrayal gossip rival", "bad"),
        "angry,furious,mad,outraged,enraged,aggressive,indignant", "irate,livid",
    ),
    _family(
        "frustration", (-2, 0.7, "angry", 5), ("harsh", "delay puzzle work mistake", "bad"),
        "frustrated,annoyed,irritated,impatient,exasperated,agitated", "provoked,aggravated",
    ),
    _family(
        "disgust", (-3, 0.6, "angry", 2), ("harsh", "mess", "bad"),
        "disgusted,repelled,revolted,nauseated,sickened", "repulsed,grossed out",
    ),
    _family(
        "contempt", (-2, 0.4, "angry", 3), ("tight", "success gift gossip mess", "good"),
        "contemptuous,scornful,disdainful,sarcastic,mocking,critical", "judgmental,dismissive",
    ),
    _family(
        "resentment", (-2, 0.5, "angry", 3), ("tight", "rival betrayal family", "good"),
        "resentful,bitter,jealous,envious,hostile,hateful", "begrudging,cross",
    ),
    _family(
        "suspicion", (-1, 0.4, "fear", 2), ("tight", "news danger", "open"),
        "suspicious,skeptical,distrustful,wary,careful", "mistrustful,guarded",
    ),
    _family(
        "resolve", (1, 0.5, "neutral", 2), ("tight", "exam puzzle work", "open"),
        "determined,focused,attentive,thoughtful,steady", "resolute,purposeful",
    ),
    _family(
        "boredom", (-1, 0.0, "neutral", 3), ("flat", "idle delay gift", "none"),
        "bored,indifferent,apathetic,uninterested,unmotivated", "numb,listless",
    ),
    _family(
        "neutral", (0, 0.2, "neutral", 5), ("flat", "puzzle exam news work family", "none"),
        "neutral,unemotional,composed,impassive", "dispassionate,emotionless",
    ),
)  # fmt: skip
