"""Near-duplicates: copies join, however they are dressed up; different ads of one sector do not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening import campaigns as module
from screening.campaigns import (
    MAX_LETTERS,
    SHINGLE,
    SIMILAR,
    Campaigns,
    ShingleFile,
    group,
    letters_of,
    shingles_of,
    similarity,
)

# All invented. Ads of one sector share its set phrases, and are by different employers for different work.
HOSTESS = (
    "Se buscan chicas de 18 a 25 años para trabajar en Santiago de Chile, buena presencia, sin experiencia. "
    "Te pagamos el pasaje y el alojamiento, ganas hasta 900 dólares a la semana. Escríbeme al WhatsApp 999 111 222"
)
SEASONAL = (
    "Buscamos trabajadores para la campaña de la fresa en Huelva, de marzo a junio. Contrato según convenio, "
    "alta en la Seguridad Social, alojamiento a cargo de la empresa y transporte al campo. Llamar al 600 000 001",
    "Buscamos trabajadores para la vendimia en La Rioja, quince días de septiembre. Contrato según convenio, "
    "alta en la Seguridad Social, comida por cuenta del trabajador y autobús desde Logroño. Llamar al 600 000 002",
)
HOTEL = (
    "Hotel de cuatro estrellas en la costa precisa camarera de pisos para la temporada de verano. Se ofrece contrato "
    "de seis meses, jornada completa, dos días libres y alojamiento. Enviar currículum al correo del hotel.",
    "Hotel de cuatro estrellas en la costa precisa ayudante de cocina para la temporada de verano. Se ofrece formación "
    "a cargo del chef, turno partido, manutención y plus por nocturnidad. Presentarse en recepción con referencias.",
)
CALLS = (
    "We are hiring customer service agents for an international company in Thailand. No experience needed, "
    "free flight, free room, 1500 USD a month. You enter on a tourist visa and we change it later. Ask Lina.",
    "We are hiring cruise ship waiters for an international company in Miami. No experience needed, training is paid, "
    "shared cabin, contract of eight months. Seafarer's medical and C1/D visa at our cost. Apply on our web site.",
)
LOAN = (
    "Faça um pix de 50 reais para liberar as tarefas do aplicativo e receba comissões todos os dias, trabalho de casa "
    "pelo celular, pagamento na hora. Não conte para ninguém, vagas limitadas, chama no Telegram da gerente Paula.",
    "Empréstimo sem consulta, liberado na hora pelo celular: faça um pix da taxa de seguro e receba o valor na conta "
    "hoje mesmo. Negativado também. Atendimento de segunda a sábado, fale com o consultor Marcos pelo site.",
)
DIFFERENT = [HOSTESS, *SEASONAL, *HOTEL, *CALLS, *LOAN]

COPIES = {
    "another phone, price and age": HOSTESS.replace("999 111 222", "987-654-321")
    .replace("900", "1.200")
    .replace("25", "30"),
    "a link at its end": HOSTESS + " https://t.me/joinchat/AbCdEf?x=1 www.ejemplo.com/oferta",
    "spaced letters": HOSTESS.replace("trabajar", "t r a b a j a r").replace("chicas", "c.h.i.c.a.s"),
    "emoji and signs": "💕🔥 " + HOSTESS.replace(", ", " ✈️ ").replace(".", "!!!") + " 💸",
    "look-alike letters": HOSTESS.replace("a", "\N{CYRILLIC SMALL LETTER A}").replace(
        "o", "\N{CYRILLIC SMALL LETTER O}"
    ),
    "invisible characters": "\N{ZERO WIDTH SPACE}".join(HOSTESS),
    "drawn-out letters and capitals": HOSTESS.upper().replace("CHICAS", "CHICASSSS").replace("GANAS", "GANAAAAS"),
    "no accents": HOSTESS.replace("ñ", "n").replace("ó", "o").replace("í", "i"),
    "another city": HOSTESS.replace("Santiago de Chile", "Antofagasta"),
    "a greeting before it": "Hola amigas, comparto: " + HOSTESS,
    "cut at its end": HOSTESS[:-40],
}


def sets_of(folder: Path, texts: Sequence[str]) -> ShingleFile:
    sets = [shingles_of(text) for text in texts]
    (folder / "shingles").write_bytes(b"".join(s.astype("<u8").tobytes() for s in sets))
    return ShingleFile(folder / "shingles", np.array([len(s) for s in sets], np.int64))


def grouped(folder: Path, texts: Sequence[str]) -> list[int]:
    sets = sets_of(folder, texts)
    leaders = group(sets).tolist()
    sets.close()
    return leaders


# --- what joins


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_found_among_other_ads(tmp_path: Path, copy: str) -> None:
    assert similarity(shingles_of(HOSTESS), shingles_of(copy)) >= SIMILAR
    texts = [*DIFFERENT, copy]
    assert grouped(tmp_path, texts) == [*range(len(DIFFERENT)), 0]


def test_all_copies_are_one_campaign_named_after_its_first(tmp_path: Path) -> None:
    sets = sets_of(tmp_path, [HOTEL[0], HOSTESS, *COPIES.values()])
    found = Campaigns(np.arange(10, 10 + len(sets)), sets)
    names = [found.cells(number) for number in range(10, 10 + len(sets))]
    assert names[0] != names[1]
    assert names[0][1] == 1
    assert set(names[1:]) == {(names[1][0], len(COPIES) + 1)}
    assert len(found) == 2
    assert found.cells(9) == found.cells(99) == (None, None)
    sets.close()


def test_names_depend_on_content_alone(tmp_path: Path) -> None:
    names = []
    for texts in ([HOSTESS, HOTEL[0]], [HOTEL[1], HOTEL[0], HOSTESS, HOSTESS]):
        sets = sets_of(tmp_path, texts)
        names.append(Campaigns(np.arange(len(texts)), sets).cells(texts.index(HOSTESS))[0])
        sets.close()
    assert names[0] == names[1]
    assert names[0] is not None
    assert len(names[0]) == 12


# --- what does not


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(DIFFERENT, 2)))
def test_different_ads_stay_well_under_the_threshold(a: str, b: str) -> None:
    assert similarity(shingles_of(a), shingles_of(b)) < SIMILAR - 0.2


def test_ads_are_not_joined_over_a_chain_of_steps(tmp_path: Path) -> None:
    first, last = SEASONAL[0].split(), HOTEL[1].split()
    steps = [" ".join(last[: 3 * i] + first[3 * i :]) for i in range(len(first) // 3 + 1)]
    leaders = grouped(tmp_path, steps)
    assert leaders[0] == 0
    assert len(set(leaders)) > 2
    for i, leader in enumerate(leaders):
        assert similarity(shingles_of(steps[i]), shingles_of(steps[leader])) >= SIMILAR


def test_short_texts_are_copies_of_themselves_only(tmp_path: Path) -> None:
    texts = ["Trabajo en Lima ya mismo", "Trabajo en Lima ya mismo!", "Trabajo en Lima ya mismos", "123", "456"]
    assert grouped(tmp_path, texts) == [0, 0, 2, 3, 3]
    sets = sets_of(tmp_path, texts)
    found = Campaigns(np.arange(5), sets)
    assert found.cells(3) == (None, None)  # a text without letters is nobody's copy
    assert len(found) == 2
    sets.close()


# --- at scale


def test_grouping_agrees_with_checking_all_pairs(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    words = [
        f"{a}{b}{c}" for a in ("tra", "ven", "mon", "lis") for b in ("ba", "de", "ri") for c in ("jo", "dor", "na")
    ]
    base = [" ".join(chance.choice(words, 60)) for _ in range(60)]
    texts = []
    for text in base:
        for edits in range(chance.integers(1, 4)):
            parts = text.split()
            for at in chance.integers(0, 60, edits):
                parts[at] = str(chance.choice(words))
            texts.append(" ".join(parts))
    leaders = grouped(tmp_path, texts)
    sets = [shingles_of(text) for text in texts]
    expected: list[int] = []
    for i, one in enumerate(sets):
        firsts = (j for j in range(i) if expected[j] == j and similarity(sets[j], one) >= SIMILAR)
        expected.append(next(firsts, i))
    assert leaders == expected


def test_many_copies_cost_no_more_than_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = []
    monkeypatch.setattr(module, "similarity", lambda a, b: checks.append(1) or similarity(a, b))
    texts = [HOSTESS + " zona " + chr(97 + i // 26 % 26) * 3 + chr(97 + i % 26) for i in range(600)]
    leaders = grouped(tmp_path, texts)
    assert set(leaders) == {0}
    assert len(checks) < 3 * len(texts)


def test_nothing_makes_no_campaign(tmp_path: Path) -> None:
    assert grouped(tmp_path, []) == []


# --- shingles


def test_a_long_text_costs_no_more_than_the_limit() -> None:
    assert len(shingles_of("palabras distintas " * 100_000)) < MAX_LETTERS
    assert len(letters_of("ab" * 50_000)) == MAX_LETTERS


@given(st.text())
def test_any_text_gives_sorted_distinct_shingles(text: str) -> None:
    shingles = shingles_of(text)
    assert shingles.dtype == np.uint64
    assert (np.diff(shingles.astype(object)) > 0).all()
    assert len(shingles) <= max(0, len(letters_of(text)) - SHINGLE + 1)
    assert letters_of(text) == "" or letters_of(text).isalpha()
