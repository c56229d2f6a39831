"""The page, in Chromium, for everybody: keyboards, screen readers, narrow screens, colours; and for other pages."""
import re

import pytest

from testing import browser as chromium
from testing.page import ECHO, MODE, browser, mock, open_page, page, playwright, said, spoken, needs_chromium  # noqa: F401

from playwright.sync_api import expect  # noqa: E402

pytestmark = needs_chromium

def test_by_keyboard_alone(page):
    keys = page.page.keyboard
    reached = []
    for _ in range(12):
        keys.press("Tab")
        reached.append(page.page.evaluate("document.activeElement.id || document.activeElement.className"))
    for expected in ("tab-live", "open-settings", "log", "language", "task", "start"):
        assert expected in reached
    page.page.focus("#tab-live")
    keys.press("ArrowRight")
    expect(page.page.locator("#file")).to_be_visible()
    expect(page.page.locator("#tab-file")).to_be_focused()
    keys.press("ArrowLeft")
    page.page.focus("#start")
    keys.press("Enter")
    page.wait_text(ECHO.text)
    expect(page.page.locator("#start")).to_be_focused()  # now Pause
    keys.press("Tab")
    expect(page.page.locator("#stop")).to_be_focused()
    keys.press("Space")
    page.wait_state("idle")
    expect(page.page.locator("#start")).to_be_focused()
    page.page.focus("#save summary")
    keys.press("Enter")
    keys.press("Tab")
    with page.page.expect_download() as download:
        keys.press("Enter")
    assert download.value.suggested_filename.endswith(".txt")
    expect(page.page.locator("#save summary")).to_be_focused()


def test_everything_has_a_name(page):
    page.page.click("#open-settings")
    unnamed = page.page.evaluate("""() => [...document.querySelectorAll("button, summary, select, input, progress, [role]")]
        .filter((e) => !e.ariaLabel && !e.getAttribute("aria-labelledby") && !e.labels?.length && !e.textContent.trim()
                       && !["alert", "status"].includes(e.role)).map((e) => e.outerHTML)""")
    assert unnamed == []
    log = page.page.locator("#live .log")
    assert log.get_attribute("role") == "log" and log.get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_fits_narrow_screens(open_page, browser, mock, width):
    page = open_page(browser, mock.url, viewport={"width": width, "height": 640})
    overflow = """() => [...document.querySelectorAll("body *:not(svg *)")].filter((e) => {
        const box = e.getBoundingClientRect();
        return e.checkVisibility({ visibilityProperty: true }) && !e.closest(".visually-hidden, .label, .status") && box.width > 0 &&
            (box.right > innerWidth + 0.5 || box.left < -0.5);
    }).map((e) => e.outerHTML.slice(0, 80))"""
    overlaps = """() => {
        const all = [...document.querySelectorAll(".dock button, .dock summary, .dock select")].filter((e) => e.checkVisibility());
        const boxes = all.map((e) => e.getBoundingClientRect());
        return all.flatMap((e, i) => all.slice(i + 1).filter((other, j) => {
            const [a, b] = [boxes[i], boxes[i + 1 + j]];
            return a.left < b.right - 0.5 && b.left < a.right - 0.5 && a.top < b.bottom - 0.5 && b.top < a.bottom - 0.5;
        }).map((other) => `${e.id} ${other.id}`));
    }"""
    small = """() => [...document.querySelectorAll("button, summary, select, .button")].filter((e) => e.checkVisibility())
        .filter((e) => Math.min(e.offsetHeight, e.offsetWidth) < 24).map((e) => e.outerHTML.slice(0, 80))"""

    def check():
        for problem in (overflow, overlaps, small):
            assert page.page.evaluate(problem) == []
        assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check()
    page.start()
    page.wait_partial("about")
    check()
    page.wait_text(ECHO.text)
    page.stop()
    check()
    page.page.click("#open-settings")
    check()
    page.page.keyboard.press("Escape")
    page.page.click("#tab-file")
    check()
    page.page.click("#tab-live")
    page.start()
    mock.is_mute = True  # so that it has to be waited for
    page.page.click("#stop")
    page.wait_state("finishing")
    check()
    page.page.get_by_role("button", name="Don’t wait").click()
    page.wait_state("idle")
    page.page.click("#start")
    page.wait_state("starting")
    check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(open_page, browser, mock, scheme):
    page = open_page(browser, mock.url, color_scheme=scheme)
    colours = page.page.evaluate("""() => Object.fromEntries(["paper", "raised", "sunk", "selected", "ink", "ink-stable", "ink-quiet",
        "ink-unsettled", "accent", "accent-ink", "accent-wash", "record", "record-wash", "wait", "wait-wash", "control-line"]
        .map((name) => [name, getComputedStyle(document.body).getPropertyValue(`--${name}`).trim()]))""")

    def luminance(name):
        value = colours[name].lstrip("#")
        parts = [int(value[i:i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a, b):  # WCAG 2.2
        light, dark = sorted((luminance(a), luminance(b)), reverse=True)
        return (light + 0.05) / (dark + 0.05)
    text = [(ink, ground) for ink in ("ink", "ink-stable", "ink-quiet", "ink-unsettled") for ground in ("paper", "raised")]
    text += [("ink", "sunk"), ("ink-quiet", "sunk"), ("ink", "selected"), ("accent", "accent-wash"), ("accent-ink", "accent"),
             ("ink", "accent-wash"), ("ink", "record-wash"), ("ink", "wait-wash"), ("record", "record-wash"),
             ("wait", "wait-wash"), ("wait", "paper")]
    assert {pair: round(contrast(*pair), 2) for pair in text if contrast(*pair) < 4.5} == {}
    parts = [("control-line", "paper"), ("control-line", "raised"), ("accent", "paper"), ("record", "paper")]
    assert {pair: round(contrast(*pair), 2) for pair in parts if contrast(*pair) < 3} == {}
    assert contrast("ink", "paper") > contrast("ink-stable", "paper") > contrast("ink-unsettled", "paper")


def test_reduced_motion(open_page, browser, mock):
    page = open_page(browser, mock.url, reduced_motion="reduce")
    page.start()
    page.wait_partial("about")
    moving = page.page.evaluate("document.getAnimations().length")
    assert moving == 0


def test_the_embedding_example(open_page, browser, mock):
    """What docs/embedding.md shows works as it stands there."""
    text = (chromium.pathlib.Path(__file__).parents[2] / "docs" / "embedding.md").read_text()
    example = re.search(r"```html\n(.*?)```", text, re.S).group(1)
    mock.extra["/example.html"] = ("text/html", example.encode(), {})
    mock.policy = None
    page = open_page(browser, mock.url + "example.html")
    page.page.click("#start")
    expect(page.page.locator("#text")).to_contain_text(f"{ECHO.text} {MODE.text}")
