"""Which language a text is in: Spanish, Portuguese, English, or another.

Counts of frequent short words decide; it needs no model and is exact enough to choose the
language of a reason and to say when a text is outside what the model has learnt.
"""

from __future__ import annotations

from collections.abc import Iterable

OTHER = "other"
MIN_TOKENS = 4  # fewer words than this say too little of language or intent

# Folded forms; words that two of the languages share are left out of both.
_FREQUENT = {
    "es": (
        "el los las y en un una del al lo por con su sus es son fue hay muy mas pero como si ya tu te mi nos "
        "usted ustedes le les que para esta este estos esto eso esa donde cuando quien tiene tienes tener hacer "
        "trabajo trabajar hola buenas gracias dias hasta desde sin todo toda todos ahora aqui alla sueldo pago "
        "pagas pagan ganas gana personas empresa mensaje informacion interesados buscamos busca buscan chicas "
        "años anos pasaje viaje plata dinero semana mes hora horas ella ellos porque ser estoy estamos necesito "
        "quiero puede puedes quieres somos llama escribe escribeme vacante vacantes empleo cerca todavia siempre unos "
        "nuestro nuestra cada despues entonces algo bien eres envia"
    ),
    "pt": (
        "o os as e em um uma do da dos das no na nos nas pelo pela ao com seu sua seus e sao foi ha muito mais mas "
        "como se ja voce voces vc tu meu minha eu ele ela eles nao que para pra esta este isso isto onde quando quem "
        "tem ter fazer trabalho trabalhar ola oi obrigado obrigada dias ate desde sem tudo toda todos agora aqui "
        "salario pagamento paga ganha ganhar pessoas empresa mensagem vaga vagas emprego contrata precisa precisamos "
        "menina meninas moca mocas passagem viagem dinheiro semana mes hora horas porque ser estou estamos preciso "
        "quero pode somos gente conta nosso nossa tambem so foram uns ou perto ainda sempre aos essa esse pelos reais "
        "moca aluno alugo quarto depois entao cada voces envie curriculo"
    ),
    "en": (
        "the and of to in a is are was were for with you your we our i my he she they it this that these be have has "
        "had will would can could not no do does from at by on or as if but what when where who how all any more "
        "work job jobs pay paid money week day month hour hours need needed wanted hiring apply people company "
        "message contact girls ladies visa flight ticket free get make earn looking start today now us me them"
    ),
}
_SHARED = {
    word
    for word in set(" ".join(_FREQUENT.values()).split())
    if sum(word in words.split() for words in _FREQUENT.values()) > 1
}
_LANGUAGES_OF = {
    word: language for language, words in _FREQUENT.items() for word in words.split() if word not in _SHARED
}
FEW = 5  # words, of which one frequent one has to do
MIN_FREQUENT = 2  # in longer texts one frequent word alone is met in a neighbouring language by chance
_MIN_SHARE = 0.06  # of the words that must be frequent ones of the language


def detect_language(words: Iterable[str]) -> str:
    """Return "es", "pt", "en" or "other" for the folded words of a text."""
    counts = {"es": 0, "pt": 0, "en": 0}
    total = 0
    for word in words:
        if word.isalpha():
            total += 1
            if language := _LANGUAGES_OF.get(word):
                counts[language] += 1
    best = max(counts, key=lambda language: counts[language])
    needed = max(MIN_FREQUENT if total > FEW else 1, _MIN_SHARE * total)
    return best if counts[best] >= needed else OTHER
