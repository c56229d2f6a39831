"""The page, in Chromium, with `stenod serve`. STENOD_SCREENSHOTS names a folder for what it looks like then."""
import contextlib
import json
import os
import pathlib
import time

import pytest

import speech
from testing import browser as chromium
from testing.page import (browser, drop, failure, needs_chromium, open_page, playwright, said, spoken,  # noqa: F401
                          with_arguments)
from testing.server import Server, wait_until

from playwright.sync_api import expect  # noqa: E402

pytestmark = [needs_chromium, pytest.mark.model]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("serve"), "--model", "base") as running:
        yield running


def picture(page, name):
    """As it is just now, in light and dark, on a desk and on a phone."""
    folder = os.environ.get("STENOD_SCREENSHOTS")
    if not folder:
        return
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for size, viewport in (("desk", DESK), ("phone", PHONE)):
        page.page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.page.emulate_media(color_scheme=scheme)
            page.page.screenshot(path=f"{folder}/{name}-{size}-{scheme}.png")
    page.page.set_viewport_size(DESK)


def listen_in_english(page):
    page.switch_processing_off()
    page.page.select_option("#language", "en")
    page.start()


def wait_until_said(begin, said):
    """Until the recording is over and its last words are settled."""
    time.sleep(max(0, begin + said.seconds + 3 - time.monotonic()))


def test_words_appear_while_speaking(server, open_page, browser, said):
    page = open_page(browser, server.url + "/")
    picture(page, "ready")
    listen_in_english(page)
    begin = time.monotonic()
    page.page.locator(".partial").wait_for()
    assert page.finals == []  # partials come before finals
    page.page.locator("[data-segment]").first.wait_for()
    page.page.locator(".partial").wait_for()  # of the next sentence
    picture(page, "speaking")
    wait_until_said(begin, said)
    page.stop()
    picture(page, "done")
    heard = " ".join(page.finals)
    assert speech.word_error_rate(said.text, heard) < 0.15, heard
    segments = page.segments()
    assert all(s["words"] for s in segments)
    assert segments[-1]["end"] < said.seconds + 3


def test_a_file(server, open_page, browser, reading, reading_wav):
    page = open_page(browser, server.url + "/")
    drop(page, "reading.wav", reading_wav.read_bytes())
    expect(page.page.locator("#file-phase")).to_contain_text("done in")
    picture(page, "file")
    result = json.loads(page.save("json")[1])
    assert speech.word_error_rate(reading.text, result["text"]) < 0.15
    assert result["segments"][0]["words"]


def test_permission_denied(server, playwright, open_page):
    before = server.metric("stenod_live_sessions_total")
    instance, page = with_arguments(playwright, open_page, server.url + "/", chromium.DENY, chromium.FAKE_DEVICE)
    assert failure(page)[0] == "The microphone is blocked"
    picture(page, "denied")
    assert server.metric("stenod_live_sessions_total") == before  # nobody was bothered
    instance.close()


def test_a_server_that_is_started_again(stenod, weights, tmp_path, open_page, browser, said):
    with Server(stenod, tmp_path, "--model", "base") as first:
        page = open_page(browser, first.url + "/")
        listen_in_english(page)
        begin = time.monotonic()
        page.page.locator("[data-segment]").first.wait_for()
        before = page.finals
        assert first.stop() == 0
    page.wait_state("reconnecting")
    assert page.finals[:len(before)] == before
    picture(page, "reconnecting")
    with Server(stenod, tmp_path, "--model", "base", port=first.port) as second:
        page.page.get_by_role("button", name="Try now").click()
        page.wait_state("listening")
        wait_until_said(begin, said)
        page.stop()
        assert second.metric("stenod_live_sessions_total") == 1
    assert page.finals[:len(before)] == before
    assert speech.word_error_rate(said.text, " ".join(page.finals)) < 0.2, page.finals
    starts = [s["start"] for s in page.segments()]
    assert starts == sorted(starts)


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
