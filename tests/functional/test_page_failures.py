"""The page, in Chromium, when networks and servers fail: nothing on the screen is lost, and the words are clear."""

import pytest

import speech
from testing import browser as chromium
from testing.mock_server import Utterance
from testing.page import (ECHO, MODE, browser, mock, open_page, page, playwright, said, spoken, failure,  # noqa: F401
                          needs_chromium, with_arguments)

from playwright.sync_api import expect  # noqa: E402

pytestmark = needs_chromium

LATER = Utterance(9.0, 10.0, "That agent is already logged on.")


def test_a_broken_connection_loses_nothing(page, mock):
    # The first session breaks in the middle of the second utterance; the next one hears all that came after the final.
    again_from = ECHO.end
    again = Utterance(MODE.start - again_from, MODE.end - again_from, MODE.text)
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
    assert abs(segments[1]["start"] - MODE.start) < 0.002  # the clock goes on
    first, second = (bytes(session.audio) for session in mock.sessions)
    begin = 2 * round(again_from * 16000)
    repeated = len(first) - begin
    assert 0 < repeated < len(second) and first[begin:] == second[:repeated]


def test_a_server_that_is_started_again(page, mock):
    mock.plan = lambda index: [[ECHO, LATER], [Utterance(0.3, 1, "again")]][min(index, 1)]
    page.start()
    page.wait_text(ECHO.text)
    mock.stop()
    page.wait_state("reconnecting")
    expect(page.page.locator(".notice p")).to_contain_text("Still recording")
    mock.start()
    page.page.evaluate("document.querySelector('.notice .button')?.click()")  # Try now, unless it just did
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


def test_stopped_when_the_server_had_just_ended(page, mock):
    """At its limit, with finals still to come: what it did not hear any more goes to the next."""
    mock.plan = lambda index: [[ECHO], [Utterance(0, 0.2, "and the tail")]][min(index, 1)]
    page.start()
    page.wait_text(ECHO.text)
    first = mock.sessions[0]
    mock.is_mute = True
    received = len(first.audio) // 2
    page.page.wait_for_timeout(500)
    page.page.click("#stop")
    page.wait_state("finishing")
    while first.messages[-1]["type"] != "end":
        page.page.wait_for_timeout(20)
    mock.is_mute = False
    first.send({"type": "end", "full_transcript": ECHO.text, "reason": "session_limit",
                "audio": {"received": received, "transcribed": received, "silence": 0, "dropped": {}}})
    first.close(1008, "session_limit")
    page.wait_state("idle")
    assert page.finals == [ECHO.text, "and the tail"]
    assert bytes(first.audio[2 * received:]) == bytes(mock.sessions[1].audio)


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


def test_permission_denied(playwright, open_page, mock):
    instance, page = with_arguments(playwright, open_page, mock.url, chromium.DENY, chromium.FAKE_DEVICE)
    title, text = failure(page)
    assert title == "The microphone is blocked" and "allow the microphone" in text
    assert mock.sessions == []
    instance.close()


@pytest.mark.parametrize("answer", ["reject(new DOMException('', 'NotAllowedError'))", "resolve(ask(wanted))"])
def test_cancelled_at_the_prompt_and_started_again(open_page, browser, mock, answer):
    """The late answer to the first prompt is nothing to the second."""
    page = chromium.LivePage(browser, mock.url)
    page.context.add_init_script("""const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (wanted) => window.prompted ? ask(wanted) : new Promise((resolve, reject) => {
            window.prompted = () => %s;
        });""" % answer)
    page.open()
    page.page.click("#start")
    page.wait_state("starting")
    page.page.get_by_role("button", name="Cancel").click()
    page.wait_state("idle")
    page.start()
    page.page.evaluate("window.prompted()")
    page.wait_text(MODE.text)
    assert page.page.locator(".notice").count() == 0
    page.stop()
    assert len(mock.sessions) == 1 and page.errors == []
    page.close()


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
    problem = page.page.locator("#key-problem")  # on a phone the settings hide the notice
    expect(problem).to_have_text("This server asks for an access key.")
    page.page.keyboard.type("sk-wrong")
    expect(problem).to_be_empty()
    page.page.keyboard.press("Escape")
    title, _ = failure(page)
    assert title == "The access key is not accepted"
    expect(problem).to_have_text("The access key is not accepted.")
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
