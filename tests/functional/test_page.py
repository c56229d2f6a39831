"""The page, in Chromium. Its server is a mock that fails as asked; what a real server can do as well is also tried with
`stenod serve`."""
import contextlib
import json
import re
import socket
import time
import urllib.request

import pytest

import speech
from testing import browser as chromium
from testing.mock_server import MockServer, Utterance
from testing.server import Server, wait_until

pytest.importorskip("playwright", reason="the package playwright is not installed: see tests/functional/requirements.txt")
np = pytest.importorskip("numpy", reason="the package numpy is not installed: see tests/functional/requirements.txt")
from playwright.sync_api import expect, sync_playwright  # noqa: E402

pytestmark = pytest.mark.skipif(not chromium.CHROMIUM.exists(), reason="the package chromium is not installed")

ECHO = Utterance(0.3, 1.9, "You are about to enter an echo test.")
MODE = Utterance(2.6, 4.0, "In this mode everything is repeated back.")
LATER = Utterance(9.0, 10.0, "That agent is already logged on.")


@pytest.fixture(scope="module")
def playwright():
    expect.set_options(timeout=chromium.PATIENCE_MS)
    with sync_playwright() as instance:
        yield instance


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, reading):
    """A recording as a microphone brings it: 16 bit, mono, 44.1 kHz, with a second of silence at its end."""
    path = tmp_path_factory.mktemp("microphone") / "reading.wav"
    return speech.write(path, reading.samples + speech.silence(1), "-ar", 44100)


@pytest.fixture(scope="module")
def browser(playwright, spoken):
    instance = chromium.launch(playwright, *chromium.microphone(spoken))
    yield instance
    instance.close()


@pytest.fixture
def mock():
    server = MockServer()
    server.plan = lambda index: [ECHO, MODE]
    yield server
    server.stop()


@pytest.fixture
def open_page():
    """Opens the page; at the end nothing may have gone wrong in it, and nobody else have been asked for anything."""
    pages = []

    def open_it(browser, url, **context):
        pages.append(chromium.LivePage(browser, url, **context).open())
        return pages[-1]
    yield open_it
    for page in pages:
        page.close()
    assert [e for page in pages for e in page.errors] == []
    assert [r for page in pages for r in page.foreign] == []


@pytest.fixture
def page(open_page, browser, mock):
    return open_page(browser, mock.url)


def with_arguments(playwright, open_page, url, *arguments):
    """The page in a browser of its own; closed with the test."""
    instance = chromium.launch(playwright, *arguments)
    return instance, open_page(instance, url)


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


def test_the_sound_arrives_as_it_was_spoken(page, mock, reading):
    page.switch_processing_off()
    page.start()
    page.wait_text(MODE.text)
    page.stop()
    session = mock.sessions[0]
    assert session.settings["encoding"] == "s16le" and session.settings["sample_rate"] == 16000
    assert set(session.sizes[:-1]) == {3200}  # 100 ms
    heard = samples_of(session)
    source = np.frombuffer(reading.samples, "<i2").astype(float)
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


# A network and servers that fail


def test_a_broken_connection_loses_nothing(page, mock):
    # The first session breaks in the middle of the second utterance, which the next one hears from its beginning.
    again = Utterance(0.5, 1.9, MODE.text)
    mock.plan = lambda index: [[ECHO, MODE], [again]][index]
    page.start()
    page.wait_partial("In this mode")
    shown = page.page.locator(".partial").inner_text().strip()
    mock.refusal = (503, {"code": "overloaded", "message": "Busy."}, {})
    mock.sessions[0].cut()
    page.wait_state("reconnecting")
    title, _ = page.notice()
    assert title == "Connection lost"
    assert page.finals == [ECHO.text]
    assert page.page.locator(".partial").inner_text().strip().startswith(shown)  # still on the screen
    mock.refusal = None
    page.wait_state("listening")
    expect(page.page.locator(".notice")).to_have_count(0)
    page.wait_text(MODE.text)
    page.stop()

    segments = page.segments()
    assert [s["text"] for s in segments] == [ECHO.text, MODE.text]
    assert abs(segments[1]["start"] - MODE.start) < 0.002  # half a second of lead, and the clock goes on
    again_from = 2 * round((MODE.start - 0.5) * 16000)
    first, second = (bytes(session.audio) for session in mock.sessions)
    repeated = len(first) - again_from
    assert 0 < repeated < len(second) and first[again_from:] == second[:repeated]


def test_a_server_that_is_started_again(page, mock):
    mock.plan = lambda index: [[ECHO, LATER], [Utterance(0.3, 1, "again")]][min(index, 1)]
    page.start()
    page.wait_text(ECHO.text)
    mock.stop()
    page.wait_state("reconnecting")
    expect(page.page.locator(".notice p")).to_contain_text("Still recording")
    mock.start()
    page.page.get_by_role("button", name="Try now").click()
    page.wait_state("listening")
    page.wait_text("again")
    page.stop()
    assert page.finals == [ECHO.text, "again"]


def test_stopped_while_the_connection_is_broken(page, mock):
    page.start()
    page.wait_partial("In this mode")
    mock.refusal = (503, {"code": "overloaded", "message": "Busy."}, {})
    mock.sessions[0].cut()
    page.wait_state("reconnecting")
    page.page.click("#stop")
    page.wait_state("finishing")
    page.page.get_by_role("button", name="Don’t wait").click()
    page.wait_state("idle")
    assert page.finals[0] == ECHO.text
    assert page.finals[1].startswith("In this mode")  # kept, though nobody settled it
    assert "not transcribed" in page.finals[2]
    assert page.segments()[1]["unconfirmed"] is True


def test_a_session_that_is_over_is_followed_by_the_next(page, mock):
    mock.plan = lambda index: [[ECHO], [Utterance(0.5, 1, "and on")]][min(index, 1)]
    page.start()
    page.wait_text(ECHO.text)
    first = mock.sessions[0]
    received = first.conclude("session_limit")
    first.close(1008, "session_limit")
    page.wait_text("and on")
    assert page.page.locator(".notice").count() == 0
    page.stop()
    assert abs(page.segments()[1]["start"] - (received + 0.5)) < 0.002  # what came after the end was sent again


def test_a_session_that_an_error_ended_is_not(page, mock):
    page.start()
    page.wait_text(ECHO.text)
    session = mock.sessions[0]
    session.send({"type": "error", "code": "quota_exceeded", "message": "The 60 minutes of this key are used up"})
    session.conclude("quota_exceeded")
    session.close(1008, "quota_exceeded")
    page.wait_state("idle")
    expect(page.page.locator(".notice strong").last).to_have_text("The day’s minutes are used up")
    assert len(mock.sessions) == 1 and page.finals[0] == ECHO.text


# Clear words for every failure


def failure(page):
    page.page.click("#start")
    title, text = page.notice()
    page.wait_state("idle")
    assert page.page.locator("#notices").get_attribute("role") == "alert"
    return title, text


def test_permission_denied(playwright, open_page, mock):
    instance, page = with_arguments(playwright, open_page, mock.url, chromium.DENY, chromium.FAKE_DEVICE)
    title, text = failure(page)
    assert title == "The microphone is blocked" and "allow the microphone" in text
    assert mock.sessions == []
    instance.close()


def test_no_microphone(playwright, open_page, mock):
    instance, page = with_arguments(playwright, open_page, mock.url, chromium.ALLOW)
    title, text = failure(page)
    assert title == "No microphone found" and "Connect one" in text
    instance.close()


def test_microphone_in_use(open_page, browser, mock):
    page = chromium.LivePage(browser, mock.url)
    page.context.add_init_script("navigator.mediaDevices.getUserMedia = async () => "
                                 "{ throw new DOMException('Could not start audio source', 'NotReadableError'); };")
    page.open()
    title, text = failure(page)
    assert title == "The microphone is in use" and "Close that program" in text
    page.close()


def test_not_https(playwright, open_page, mock):
    instance, page = with_arguments(playwright, open_page, f"http://stenod.test:{mock.port}/", chromium.ALLOW,
                                    chromium.FAKE_DEVICE, "--host-resolver-rules=MAP stenod.test 127.0.0.1")
    title, text = failure(page)
    assert title == "This page needs https" and "files can be transcribed" in text
    instance.close()


def test_key_is_asked_for_and_kept_for_the_tab(page, mock):
    mock.key = "sk-right"
    title, _ = failure(page)
    assert title == "This server asks for an access key"
    expect(page.page.locator("#key")).to_be_focused()
    page.page.keyboard.type("sk-wrong")
    page.page.keyboard.press("Escape")
    title, _ = failure(page)
    assert title == "The access key is not accepted"
    page.page.fill("#key", "sk-right")
    page.page.keyboard.press("Escape")
    page.start()
    protocols = mock.sessions[0].headers["Sec-WebSocket-Protocol"]
    assert [p.strip() for p in protocols.split(",")] == ["stenod", "key.sk-right"]
    stored = "({ tab: sessionStorage.getItem('stenod.key'), device: localStorage.getItem('stenod.key') })"
    assert page.page.evaluate(stored) == {"tab": "sk-right", "device": None}
    page.stop()
    page.page.click("#open-settings")
    page.page.check("#remember")
    assert page.page.evaluate(stored) == {"tab": None, "device": "sk-right"}


@pytest.mark.parametrize("refusal, title, words", [
    ((403, {"code": "origin_not_allowed", "message": "This origin is not allowed."}, {}), "Not allowed", "Ask whoever runs"),
    ((429, {"code": "too_many_streams", "message": "Two streams are open with this key already"}, {}), "A limit is reached",
     "Two streams are open with this key already."),
    ((503, {"code": "overloaded", "message": "No slot."}, {"Retry-After": "7"}), "The server is busy", "Try again in 7 seconds."),
    ((503, {"code": "no_engine", "message": "No model."}, {}), "This server only takes jobs", "no model loaded"),
])
def test_refused(page, mock, refusal, title, words):
    mock.refusal = refusal
    assert failure(page)[0] == title
    assert words in page.notice()[1]
    mock.refusal = None
    again = page.page.get_by_role("button", name="Try again")
    if again.count():
        again.click()
        page.wait_state("listening")


def test_refused_without_a_reason(page, mock):
    """As by a proxy that lets no WebSocket through, or by a server that has a place again."""
    mock.refuses_upgrades = True
    assert failure(page)[0] == "The server took no session"


def test_settings_that_the_server_refuses(page, mock):
    mock.start_error = {"code": "invalid_argument", "message": "silence_ms is 500, expected 700 to 5000", "param": "silence_ms"}
    title, text = failure(page)
    assert title == "The server does not take these settings" and text == "silence_ms is 500, expected 700 to 5000."


def test_server_gone(page, mock):
    mock.stop()
    title, text = failure(page)
    assert title == "The server cannot be reached" and "not running" in text
    mock.start()


def test_no_sound(playwright, open_page, mock, tmp_path):
    wav = speech.write(tmp_path / "silence.wav", speech.silence(2), "-ar", 44100)
    instance, page = with_arguments(playwright, open_page, mock.url, *chromium.microphone(wav))
    page.start()
    assert page.notice()[0] == "No sound comes in"
    instance.close()


# Files

SEGMENTS = [{"start": 0.4, "end": 2.0, "text": " Agent,", "words": [{"word": " Agent,", "start": 0.4, "end": 2.0, "probability": 1}]},
            {"start": 2.1, "end": 3.0, "text": " please.", "words": []}]
RESULT = {"file": "call.mp3", "text": "Agent, please.", "language": "en", "language_probability": 0.99, "duration": 3.5,
          "segments": SEGMENTS, "wall_s": 0.2}


def drop(page, name, content):
    page.page.evaluate("""([name, content]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(content)], name));
        for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
        }
    }""", [name, list(content)])


def test_a_dropped_file_with_progress(page, mock):
    content = bytes(range(256)) * 4
    page.page.select_option("#language", "fr")
    drop(page, "call.mp3", content)
    phase = page.page.locator("#file-phase")
    expect(phase).to_have_text("Waiting for the first words")
    mock.file_events.put(("progress", {"percent": 40, "done_s": 1.4, "total_s": 3.5}))
    expect(phase).to_have_text("Transcribing: 0:01 of 0:04")
    expect(page.page.locator("#file-progress")).to_have_attribute("value", "40")
    mock.file_events.put(("segment", SEGMENTS[0]))
    page.wait_text("Agent,")
    mock.file_events.put(("segment", SEGMENTS[1]))
    mock.file_events.put(("result", RESULT))
    mock.file_events.put(None)
    expect(phase).to_have_text(re.compile(r"^0:04 · English · done in \d+\.\d s$"))
    upload = mock.uploads[0]
    assert upload.audio == content and upload.filename == "call.mp3"
    assert upload.fields == {"language": "fr", "task": "transcribe", "word_timestamps": "true", "format": "json"}
    assert upload.headers["Accept"] == "text/event-stream"
    name, saved = page.save("json")
    assert name == "call.json" and json.loads(saved) == RESULT
    assert page.save("txt")[1] == "Agent, please.\n"


def test_a_chosen_file_is_cancelled(page, mock, tmp_path):
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    page.page.click("#tab-file")
    page.page.set_input_files("#file-input", tmp_path / "talk.wav")
    mock.file_events.put(("segment", SEGMENTS[0]))
    page.wait_text("Agent,")
    page.page.get_by_role("button", name="Cancel").click()
    expect(page.page.locator("#file-phase")).to_have_text("Cancelled. What was done until then is below.")
    assert mock.uploads[0].gone.wait(60)
    assert page.finals == ["Agent,"]


def test_a_file_that_fails(page, mock):
    drop(page, "notes.txt", b"no audio")
    mock.file_events.put(("error", {"error": {"code": "audio_unknown_format", "message": "This is in no known format"}}))
    mock.file_events.put(None)
    assert page.notice() == ("This file cannot be transcribed", "This is in no known format.")


def test_a_file_of_which_a_part_is_damaged(page, mock):
    drop(page, "call.mp3", b"x")
    mock.file_events.put(("progress", {"percent": None, "done_s": 1.4, "total_s": None}))
    expect(page.page.locator("#file-phase")).to_have_text("Transcribing: 0:01")
    mock.file_events.put(("result", RESULT | {"error": {"code": "audio_corrupt", "message": "It ends in the middle"}}))
    mock.file_events.put(None)
    page.wait_text("please.")
    assert page.notice() == ("Only a part could be transcribed", "It ends in the middle")
    assert page.finals == ["Agent,", "please."]


def test_a_file_that_is_refused(page, mock):
    mock.refusal = (413, {"code": "payload_too_large", "message": "At most 100 MB."}, {})
    drop(page, "long.wav", b"RIFF")
    assert page.notice() == ("The file is too large", "At most 100 MB.")


def test_a_file_whose_answer_breaks_off(page, mock):
    drop(page, "talk.wav", b"RIFF")
    mock.file_events.put(("segment", SEGMENTS[0]))
    page.wait_text("Agent,")
    mock.file_events.put(None)
    assert page.notice()[0] == "The connection broke"


# For everybody


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


# With the real server


class Served:
    """`stenod serve` at one address."""

    def __init__(self, stenod, folder):
        self.stenod, self.folder, self.process = stenod, folder, None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self.address}/"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = self.stenod.start("serve", "--listen", self.address, "--model", "base", stdout=log, stderr=log,
                                             env={"STENOD_DATA_DIR": str(self.folder)})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url + "readyz", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"the server is not ready: {(self.folder / 'log').read_text()}")

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture(scope="module")
def served(stenod, weights, tmp_path_factory):
    server = Served(stenod, tmp_path_factory.mktemp("serve"))
    server.start()
    yield server
    assert server.stop() == 0


@pytest.mark.model
def test_speech_with_the_real_server(served, open_page, browser, reading):
    page = open_page(browser, served.url)
    page.switch_processing_off()
    page.page.select_option("#language", "en")
    page.start()
    page.page.locator(".partial").wait_for()
    assert page.finals == []  # partials come before finals
    page.page.wait_for_timeout(round(reading.seconds + 3) * 1000)
    page.stop()
    heard = " ".join(page.finals)
    assert speech.word_error_rate(reading.text, heard) < 0.15, heard
    segments = page.segments()
    assert all(s["words"] for s in segments)
    assert segments[-1]["end"] < reading.seconds + 3


@pytest.mark.model
def test_why_the_real_server_refuses(stenod, weights, open_page, browser, tmp_path):
    """Browsers don't tell; the server does, when it is asked again."""
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed: see requirements.txt")
    keys = [stenod("key", "create", name, "--streams", 1, env={"STENOD_DATA_DIR": str(tmp_path)}).out.strip() for name in "ab"]
    with Server(stenod, tmp_path, "--model", "tiny.en", "--live-max-sessions", 2) as server:
        page = open_page(browser, server.url + "/")
        assert failure(page)[0] == "This server asks for an access key"
        page.page.keyboard.type(keys[0][:-1])
        page.page.keyboard.press("Escape")
        assert failure(page)[0] == "The access key is not accepted"
        page.page.fill("#key", keys[0])
        page.page.keyboard.press("Escape")
        with contextlib.ExitStack() as others:
            def occupy(key):
                socket = client.connect(server.url.replace("http", "ws") + "/ws/transcribe",
                                        additional_headers={"X-API-Key": key}, open_timeout=30)
                json.loads(others.enter_context(socket).recv(30))
            occupy(keys[0])
            title, text = failure(page)
            assert title == "A limit is reached" and "this key" in text and "seconds" in text
            occupy(keys[1])
            title, text = failure(page)
            assert title == "The server is busy" and "Try again in 5 seconds." in text
        wait_until(lambda: server.metric("stenod_live_sessions") == 0, "the others have left")
        page.start()
        page.stop()


@pytest.mark.model
def test_a_file_with_the_real_server(served, open_page, browser, reading, reading_wav):
    page = open_page(browser, served.url)
    drop(page, "reading.wav", reading_wav.read_bytes())
    expect(page.page.locator("#file-phase")).to_contain_text("done in")
    result = json.loads(page.save("json")[1])
    assert speech.word_error_rate(reading.text, result["text"]) < 0.15
    assert result["segments"][0]["words"]


@pytest.mark.model
def test_the_real_server_is_started_again(served, open_page, browser, reading):
    page = open_page(browser, served.url)
    page.switch_processing_off()
    page.page.select_option("#language", "en")
    page.start()
    page.page.locator("[data-segment]").first.wait_for()
    before = page.finals
    assert served.stop() == 0
    page.wait_state("reconnecting")
    served.start()
    page.page.get_by_role("button", name="Try now").click()
    page.wait_state("listening")
    page.page.wait_for_timeout(round(reading.seconds) * 1000)
    page.stop()
    assert page.finals[:len(before)] == before
    assert speech.word_error_rate(reading.text, " ".join(page.finals)) < 0.2, page.finals
    starts = [s["start"] for s in page.segments()]
    assert starts == sorted(starts)
