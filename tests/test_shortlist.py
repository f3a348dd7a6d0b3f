"""What goes on a page: the highest entries in order, campaigns whole, and memory for no more than is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from screening.report import Copy
from screening.scorers import Verdict
from screening.shortlist import Entry, HighestCampaigns, Shortlist, shortlist

HOSTESS = (
    "Se buscan chicas para trabajar en Santiago de Chile, buena presencia, sin experiencia. Te pagamos el pasaje y el "
    "alojamiento, ganas mucho cada semana. Escríbeme al WhatsApp"
)
TASKS = (
    "Faça um pix para liberar as tarefas do aplicativo e receba comissões todos os dias, trabalho de casa pelo celular "
    "com pagamento na hora. Não conte para ninguém"
)


def verdict(logit: float) -> Verdict:
    level = "low" if logit < 0 else "review" if logit < 5 else "high"
    return Verdict(logit, logit / 10, level, "es", ())


def entries_of(listed: Shortlist, *rows: tuple[float, str]) -> list[Entry]:
    with listed:
        for number, (logit, text) in enumerate(rows, 1):
            listed.add(verdict(logit), number, f"k{number}", text)
        return list(listed.entries())


def test_a_campaign_stands_where_its_highest_copy_does_and_its_copies_go_down() -> None:
    rows = (2.0, HOSTESS), (4.0, TASKS), (3.0, HOSTESS + " 123"), (6.0, HOSTESS.upper()), (3.0, HOSTESS)
    first, second = entries_of(shortlist(9, campaigns=True), *rows)
    assert (first.key, first.text, second) == ("k4", HOSTESS.upper(), Entry("k2", TASKS))
    assert [(c.key, c.level, c.probability) for c in first.copies] == [
        ("k3", "review", 0.3),
        ("k5", "review", 0.3),
        ("k1", "review", 0.2),
    ]
    assert len(first.campaign) == 12


def test_without_campaigns_each_posting_is_an_entry() -> None:
    rows = (2.0, HOSTESS), (-1.0, "x"), (3.0, HOSTESS)
    assert [e.key for e in entries_of(shortlist(9, campaigns=False), *rows)] == ["k3", "k1", "k2"]


@pytest.mark.parametrize("campaigns", [True, False])
def test_no_more_entries_than_asked_for_and_ties_go_by_place(campaigns: bool) -> None:
    rows = (-1.0, "a"), (-1.0, "b"), (2.0, TASKS), (-2.0, "c")
    assert [e.key for e in entries_of(shortlist(2, campaigns), *rows)] == ["k3", "k1"]


@pytest.mark.parametrize("text", ["", "123", "123 456"], ids=["empty", "digits", "numbers"])
def test_texts_without_letters_are_nobodys_copies(text: str) -> None:
    assert [e.copies for e in entries_of(shortlist(9, campaigns=True), (2.0, text), (2.0, text))] == [(), ()]


def test_only_flagged_postings_have_copies() -> None:
    assert len(entries_of(shortlist(9, campaigns=True), (-1.0, HOSTESS), (-1.0, HOSTESS))) == 2


def test_texts_are_held_for_the_first_copies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.shortlist.MAX_COPIES", 2)
    (entry,) = entries_of(shortlist(9, campaigns=True), *[(2.0, HOSTESS)] * 5)
    assert [copy.text for copy in entry.copies] == [HOSTESS, HOSTESS, None, None]


def test_odd_characters_come_through() -> None:
    text = HOSTESS + " \n\r\N{LINE SEPARATOR} \ud800 \N{MONEY BAG}"
    (entry,) = entries_of(shortlist(9, campaigns=True), (2.0, text), (1.0, text))
    assert (entry.text, entry.copies) == (text, (Copy("k2", "review", 0.1, text),))


def test_nothing_makes_no_entry() -> None:
    assert entries_of(shortlist(9, campaigns=True)) == []


def test_nothing_stays_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with HighestCampaigns(9) as listed:
        listed.add(verdict(2.0), 1, "k", HOSTESS)
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
