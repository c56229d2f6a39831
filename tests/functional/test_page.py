"""The page, in Chromium: speaking, and what can be done with the text. Its server is a mock."""
import json
import re

import pytest

from testing import browser as chromium
from testing.page import (ECHO, MODE, browser, mock, open_page, page, playwright, said, spoken, needs_chromium)  # noqa: F401

np = pytest.importorskip("numpy", reason="the package numpy is not installed: see tests/functional/requirements.txt")
from playwright.sync_api import expect  # noqa: E402

pytestmark = needs_chromium

def samples_of(session):
    return np.frombuffer(bytes(session.audio), "<i2").astype(float)


def find(needle, haystack):
    """Where the one lies in the other, in samples, and how alike they are there (1: the same up to loudness). Devices don't
    start on a whole sample: it is looked for on a grid of an eighth of one."""
    size = 1 << (len(haystack) + len(needle)).bit_length()
    products = np.fft.irfft(np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size)), 8 * size) * 8
    best = int(np.argmax(products))
    lag = round(best / 8)
    lag -= size if lag > size // 2 else 0
    part = haystack[max(0, lag):lag + len(needle)]
    other = needle[max(0, -lag):][:len(part)]
    return lag, float(products[best] / np.sqrt((part @ part) * (other @ other)))


# Speaking


def test_words_appear_while_speaking_and_settle(page, mock):
    page.start()
    page.wait_partial("You are about")
    assert page.finals == []
    partial = page.page.locator(".partial")
    assert ECHO.text.startswith(partial.inner_text().strip())
    assert partial.get_attribute("aria-hidden") == "true"  # a screen reader hears finals alone
    page.wait_text(ECHO.text)
    page.wait_text(MODE.text)
    expect(page.page.locator("#late")).to_have_text(re.compile(r"^\d\.\d s behind$"))
    page.stop()
    assert page.finals == [ECHO.text, MODE.text]
    expect(partial).to_have_count(0)
    assert [m["type"] for m in mock.sessions[0].messages if m["type"] != "ping"] == ["start", "end"]
    assert mock.sessions[0].settings["words"] is True


def test_stable_text_is_firmer_than_the_rest(page):
    page.start()
    page.wait_partial("You are about to")

    def contrast(selector):
        colour = page.page.locator(selector).evaluate("(e) => getComputedStyle(e).color")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))
    paper_to_ink = [contrast(".tail"), contrast(".stable"), contrast("body")]
    assert paper_to_ink == sorted(paper_to_ink, reverse=True) and len(set(paper_to_ink)) == 3


def test_the_sound_arrives_as_it_was_spoken(page, mock, said):
    page.switch_processing_off()
    page.start()
    page.wait_text(MODE.text)
    page.stop()
    session = mock.sessions[0]
    assert session.settings["encoding"] == "s16le" and session.settings["sample_rate"] == 16000
    assert set(session.sizes[:-1]) == {3200}  # 100 ms
    heard = samples_of(session)
    source = np.frombuffer(said.samples, "<i2").astype(float)
    # Second by second: on a busy machine Chromium's device itself leaves some milliseconds out.
    seconds = [heard[i:i + 16000] for i in range(16000, len(heard) - 16000, 16000)]
    found = [find(second, source) for second in seconds]
    assert len(found) >= 2 and np.median([likeness for _, likeness in found]) > 0.999
    assert 15000 < np.median(np.diff([lag for lag, _ in found])) < 17000
    lag = found[0][0]
    assert 0.95 < np.std(seconds[0]) / np.std(source[lag:lag + 16000]) < 1.05


def test_switches_reach_the_microphone(open_page, browser, mock):
    page = chromium.LivePage(browser, mock.url)
    page.context.add_init_script("""const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (wanted) => (window.wanted = wanted, ask(wanted));""")
    page.open()
    page.page.click("#open-settings")
    page.page.uncheck("[name=noiseSuppression]")
    page.page.keyboard.press("Escape")
    page.start()
    wanted = page.page.evaluate("window.wanted.audio")
    assert (wanted["echoCancellation"], wanted["noiseSuppression"], wanted["autoGainControl"]) == (True, False, True)
    page.close()


def test_settings_of_the_session(page, mock):
    page.page.select_option("#language", "de")
    page.page.select_option("#task", "translate")
    page.page.click("#open-settings")
    page.page.fill("#silence", "800")
    page.page.fill("#threshold", "0.35")
    page.page.keyboard.press("Escape")
    page.page.reload()  # they are remembered
    page.start()
    settings = mock.sessions[0].settings
    assert (settings["language"], settings["task"]) == ("de", "translate")
    assert (settings["silence_ms"], settings["vad_threshold"]) == (800, 0.35)
    page.stop()
    page.page.click("#open-settings")
    page.page.click("#reset-listening")
    page.page.keyboard.press("Escape")
    page.start()
    assert not {"silence_ms", "vad_threshold"} & set(mock.sessions[1].settings)  # the operator decides


def test_level_meter_moves(page):
    meter = page.page.locator("#meter")
    page.start()
    expect(meter).not_to_have_attribute("aria-valuenow", "0")
    heights = set()
    for _ in range(20):
        heights.add(meter.locator("i").last.evaluate("(e) => e.style.transform"))
        page.page.wait_for_timeout(100)
    assert len(heights) > 5


def test_the_time_of_a_word(page):
    page.start()
    page.wait_text(MODE.text)
    page.stop()
    chip = page.page.locator("#live .time-chip")
    box = page.page.locator("[data-segment]").first.evaluate("""(e) => {
        const range = document.createRange();
        range.setStart(e.firstChild, e.textContent.indexOf("enter"));
        range.setEnd(e.firstChild, e.textContent.indexOf("enter") + 5);
        const { x, y, width, height } = range.getBoundingClientRect();
        return { x: x + width / 2, y: y + height / 2 };
    }""")
    page.page.mouse.click(box["x"], box["y"])
    word = ECHO.words()[4]
    assert word["word"] == " enter"
    expect(chip).to_have_text(f"0:{word['start']:05.2f} – 0:{word['end']:05.2f} · 90 %")

    # And by keyboard, from there on.
    page.page.locator("#live .log").focus()
    page.page.keyboard.press("ArrowRight")
    expect(chip).to_contain_text(f"0:{ECHO.words()[5]['start']:05.2f} ")
    page.page.keyboard.press("ArrowDown")
    expect(chip).to_contain_text(f"0:{MODE.start:05.2f} ")
    expect(page.page.locator("#live .spoken")).to_have_text("In: 0:02.6")
    page.page.keyboard.press("ArrowLeft")
    expect(page.page.locator("#live .spoken")).to_contain_text("test.:")
    page.page.keyboard.press("Escape")
    expect(chip).to_be_hidden()


def test_pause_holds_no_place_and_the_clock_goes_on(page, mock):
    mock.plan = lambda index: [[ECHO], [MODE]][index]
    page.start()
    page.wait_text(ECHO.text)
    page.page.click("#start")
    page.wait_state("paused")
    first = mock.sessions[0]
    assert first.closed.wait(60) and first.messages[-1] == {"type": "end"}
    said = first.seconds
    page.page.wait_for_timeout(1200)
    assert first.seconds == said and len(mock.sessions) == 1
    page.page.click("#start")
    page.wait_text(MODE.text)
    page.stop()
    segments = page.segments()
    assert [s["text"] for s in segments] == [ECHO.text, MODE.text]
    assert abs(segments[1]["start"] - (said + MODE.start)) < 0.002
    assert abs(segments[1]["words"][0]["start"] - (said + MODE.start)) < 0.002


def test_new_begins_at_zero(page, mock):
    mock.plan = lambda index: [ECHO]
    page.start()
    page.wait_text(ECHO.text)
    page.stop()
    page.page.on("dialog", lambda dialog: dialog.accept())
    page.page.click("#clear")
    assert page.finals == []
    expect(page.page.locator("#clock")).to_have_text("0:00")
    page.start()
    page.wait_text(ECHO.text)
    page.stop()
    assert [s["start"] for s in page.segments()] == [ECHO.start]


# What can be done with the text


@pytest.fixture
def written(page):
    page.start()
    page.wait_text(MODE.text)
    page.stop()
    return page


def test_saved_as_text_and_subtitles(written):
    name, text = written.save("txt")
    assert re.fullmatch(r"transcript-\d{4}-\d\d-\d\d-\d{4}\.txt", name)
    assert text == f"{ECHO.text} {MODE.text}\n"
    assert written.save("srt")[1] == (f"1\n00:00:00,300 --> 00:00:01,900\n{ECHO.text}\n\n"
                                      f"2\n00:00:02,600 --> 00:00:04,000\n{MODE.text}\n")
    assert written.save("vtt")[1] == (f"WEBVTT\n\n00:00:00.300 --> 00:00:01.900\n{ECHO.text}\n\n"
                                      f"00:00:02.600 --> 00:00:04.000\n{MODE.text}\n")


def test_saved_as_json(written):
    saved = json.loads(written.save("json")[1])
    assert saved["text"] == f"{ECHO.text} {MODE.text}"
    assert saved["language"] == "en"
    assert saved["duration"] > MODE.end
    assert saved["segments"][0] == {"start": 0.3, "end": 1.9, "text": ECHO.text, "language": "en", "words": ECHO.words()}


def test_copied(written):
    written.context.grant_permissions(["clipboard-read", "clipboard-write"])
    written.page.click("#copy")
    expect(written.page.locator("#announcement")).to_have_text("Copied")
    assert written.page.evaluate("navigator.clipboard.readText()") == f"{ECHO.text} {MODE.text}\n"
