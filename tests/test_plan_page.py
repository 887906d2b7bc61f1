"""The plan's page in a real browser: what it shows, asks for, and does when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.plans import Plan
from tests.browser import Browser, find_chromium
from tests.helpers import few_reviews

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"
)
EVIL = "<script>window.broken = 1</script> " + 12 * "Hyperalgesia"
A4 = (680, 1017)  # what is printed of a page, in CSS pixels: 180 x 269 mm

# Text whose contrast with what lies behind it is below that of WCAG 2.1, 1.4.3 (level AA).
CONTRAST = """(() => {
  const channel = c => c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) { return c; }
    }
    return [255, 255, 255];
  };
  const found = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || element.closest("script, style, [hidden]") || !element.getClientRects().length) {
      continue;
    }
    seen += 1;
    const style = getComputedStyle(element), svg = element.closest("svg");
    const ink = parse(svg ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < least) { found.push(element.textContent.trim().slice(0, 40)); }
  }
  return [seen, found];
})()"""


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, default_plan: Callable[[str], Plan]
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("plans")
    plans = {"plan": default_plan("chronic-after"), "no-plan": default_plan("single-late")}
    plain = planner.analysis("chronic-after")
    evil = replace(plain, title=EVIL, review=EVIL, notes=(EVIL,), comparisons=())
    with pytest.MonkeyPatch.context() as patch:
        few_reviews(patch)
        plans["evil"] = planner.plan(evil, reps=2000, truth=planner.calibrate(plain))
    for name, plan in plans.items():
        plan.save(folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in plans}


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    assert CHROMIUM is not None
    browser = Browser(CHROMIUM)
    yield browser
    browser.close()


@pytest.fixture
def browser(window: Browser) -> Browser:
    window.scripts(True)
    window.call("Emulation.setEmulatedMedia", media="")
    window.size(1100, 900)
    return window


@pytest.mark.parametrize("name", ["plan", "no-plan", "evil"])
def test_the_page_is_quiet_and_asks_for_nothing(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    browser.open(pages[name])
    assert browser.problems() == []
    assert browser.requests() == [pages[name].resolve().as_uri()]
    assert browser.run("document.title").startswith("Follow-up plan: ")


@pytest.mark.parametrize(("name", "figures"), [("plan", 5), ("no-plan", 4)])
def test_all_figures_are_shown(
    browser: Browser, pages: dict[str, Path], name: str, figures: int
) -> None:
    browser.open(pages[name])
    boxes = browser.run(
        "[...document.querySelectorAll('.figure svg')].map(s => { const b = "
        "s.getBoundingClientRect(); return [b.width, b.height, s.querySelectorAll('path').length, "
        "s.getAttribute('aria-label').length] })"
    )
    assert len(boxes) == figures
    assert all(w > 400 and h > 80 and paths > 10 and label > 20 for w, h, paths, label in boxes)
    # Each id once, and each reference to an id that exists.
    assert browser.run(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        "return ids.length === new Set(ids).size && [...document.querySelectorAll('use')].every("
        "u => document.getElementById(u.href.baseVal.slice(1))) })()"
    )


def slide(browser: Browser, name: str, value: int) -> None:
    browser.run(
        f"(() => {{ const slider = document.getElementById('{name}'); slider.value = {value};"
        "slider.dispatchEvent(new Event('input')) })()"
    )


def test_exploring_changes_what_is_shown(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["plan"])
    table = browser.run("JSON.parse(document.getElementById('table').textContent)")
    before = browser.run("document.getElementById('explored').textContent")
    assert before.startswith("23 per group, 46 in all")
    slide(browser, "choose-n", 30)
    after = browser.run("document.getElementById('explored').textContent")
    row = next(row for row in table["rows"] if row["n"] == 30)
    assert after.startswith("30 per group, 60 in all")
    assert f"{100 * row['success']['new-lab']:.0f}% (a new laboratory)" in after
    assert f"Of 100 such experiments, {100 * row['no_answer']:.0f} end" in after
    for goal, said in (
        (70, None), (90, "takes 143 per group, 286 in all"), (95, "is reached by no number"),
    ):  # fmt: skip
        slide(browser, "choose-target", goal)
        shown = browser.run("document.getElementById('explored').textContent")
        reach = [r["n"] for r in table["rows"] if r["success"]["new-lab"] >= goal / 100]
        assert (said or f"takes {reach[0]} per group") in shown
    # The marker stands on the curve of the truth that is planned for.
    dot = "document.querySelector('.dot')"
    x, y = (float(browser.run(f"{dot}.getAttribute('{name}')")) for name in ("cx", "cy"))
    area = table["area"]
    assert x == pytest.approx(area["left"] + 28 / 58 * (area["right"] - area["left"]), abs=0.01)
    share = (area["bottom"] - y) / (area["bottom"] - area["top"])
    assert 1.02 * share == pytest.approx(row["success"]["new-lab"], abs=1e-4)


def test_the_keyboard_is_enough(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["plan"])
    reached: dict[str, Any] = {}
    for _ in range(80):
        browser.press("Tab", 9)
        name, outline = browser.run(
            "[document.activeElement.id || document.activeElement.className || "
            "document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.setdefault(name, outline)
        if name == "choose-n":
            break
    assert "choose-n" in reached
    assert {"copy screen", "scroll", "SUMMARY"} <= set(reached)
    assert "none" not in reached.values()
    browser.press("ArrowRight", 39)
    assert browser.run("document.getElementById('shown-n').textContent") == "24"
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.id") == "choose-target"
    browser.press("ArrowLeft", 37)
    assert browser.run("document.getElementById('shown-target').textContent") == "79%"
    explored = browser.run("document.getElementById('explored').textContent")
    assert explored.startswith("24 per group, 48 in all")
    assert "A chance of 79% in a new laboratory takes" in explored


def test_what_the_laboratory_types_follows_everywhere(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["plan"])

    def type_in(name: str, text: str) -> None:
        browser.run(f"(() => {{ const i = document.querySelector('[data-for=\"{name}\"]');"
                    f"i.value = {text!r}; i.dispatchEvent(new Event('input')) }})()")  # fmt: skip

    type_in("sex", "female <b>")
    marks = browser.run("[...document.querySelectorAll('[data-fill=sex]')].map(e => e.textContent)")
    assert len(marks) >= 2
    assert set(marks) == {"female <b>"}
    assert "(female <b>)" in browser.run("document.getElementById('short').textContent")
    for typed in ("0", "-2", "4 per cage", "2.5"):  # no number of cages follows from it
        type_in("animals per cage", typed)
        cages = browser.run("[...document.querySelectorAll('.cages')].map(e => e.textContent)")
        assert set(cages) == {"[animals per cage]"}
    type_in("animals per cage", "4")
    cages = browser.run("[...document.querySelectorAll('.cages')].map(e => e.textContent)")
    assert cages == ["12", "6", "22", "8"]  # 23, 10, 44 and 14 per group, groups apart


def test_without_scripts_it_reads_completely(browser: Browser, pages: dict[str, Path]) -> None:
    browser.scripts(False)
    browser.open(pages["plan"])
    hidden = browser.run("[...document.querySelectorAll('[hidden]')].map(e => e.id)")
    assert {"explore", "lab"} <= set(hidden)
    text = browser.run("document.body.innerText")
    for part in ("Plan 23 animals per group", "Why not fewer", "ARRIVE", "planner power --analysis",
                 "[sex]"):  # fmt: skip
        assert part in text
    assert not browser.run("document.querySelector('#figure-curve svg .marker')")


@pytest.mark.parametrize("name", ["plan", "no-plan"])
def test_contrast_is_sufficient(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name])
    browser.run("document.querySelector('details').open = true")
    seen, found = browser.run(CONTRAST)
    assert seen > 300
    assert found == []
    browser.run("document.querySelector('.answer').style.color = '#8a8a8a'")
    assert browser.run(CONTRAST)[1] != []  # it would be seen


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("name", ["plan", "no-plan", "evil"])
def test_a_narrow_screen_does_not_scroll_sideways(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.size(width, 800, mobile=True)
    browser.open(pages[name])
    browser.run("document.querySelector('details').open = true")
    assert browser.run("document.documentElement.scrollWidth") <= width
    # Where tables scroll inside the page, it says so.
    assert browser.run("document.querySelector('.wide').getClientRects().length") == (width < 500)


def test_text_of_evidence_is_shown_as_text(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["evil"])
    assert browser.run("document.querySelector('h1').textContent") == EVIL
    assert browser.run("document.title") == f"Follow-up plan: {EVIL}"
    assert browser.run("typeof window.broken") == "undefined"
    assert EVIL in browser.run("document.querySelector('.warnings').textContent")


def test_answer_paragraph_and_design_are_printed_on_the_first_two_pages(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["plan"])
    browser.size(*A4)
    browser.call("Emulation.setEmulatedMedia", media="print")
    end = browser.run("document.getElementById('design').getBoundingClientRect().bottom")
    assert end < 1.9 * A4[1]
    assert browser.printed().startswith(b"%PDF")
    # Tables are not cut between pages; long ones not within four rows of their ends.
    tables = browser.run(
        "[...document.querySelectorAll('.scroll')].map(e => [e.querySelectorAll('tbody tr').length,"
        "getComputedStyle(e).breakInside, e.getBoundingClientRect().height,"
        "getComputedStyle(e.querySelector('tbody tr')).breakAfter])"
    )
    assert len(tables) > 8
    long = [table for table in tables if table[1] == "auto"]
    assert len(long) == 2
    assert all(rows >= 12 and after == "avoid" for rows, _, _, after in long)
    assert all(height < A4[1] / 2 for _, rule, height, _ in tables if rule == "avoid")
