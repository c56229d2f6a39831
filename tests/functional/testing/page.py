"""What tests of the page have in common: the browser with its microphone, the mock server, the page."""
import pytest

import speech
from testing import browser as chromium
from testing.mock_server import MockServer, Utterance

pytest.importorskip("playwright", reason="the package playwright is not installed: see tests/functional/requirements.txt")
from playwright.sync_api import expect, sync_playwright  # noqa: E402

needs_chromium = pytest.mark.skipif(not chromium.CHROMIUM.exists(), reason="the package chromium is not installed")

ECHO = Utterance(0.3, 1.9, "You are about to enter an echo test.")
MODE = Utterance(2.6, 4.0, "In this mode everything is repeated back.")


@pytest.fixture(scope="module")
def playwright():
    expect.set_options(timeout=chromium.PATIENCE_MS)
    with sync_playwright() as instance:
        yield instance


@pytest.fixture(scope="module")
def said(reading):  # which skips without its package
    """What is spoken into the microphone: three sentences."""
    return speech.join(speech.librivox_clips()[:3])


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, said):
    """That as a microphone brings it: 16 bit, mono, 44.1 kHz, with a second of silence at its end."""
    path = tmp_path_factory.mktemp("microphone") / "said.wav"
    return speech.write(path, said.samples + speech.silence(1), "-ar", 44100)


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


def failure(page):
    """Presses the button; what the notice says then."""
    page.page.click("#start")
    title, text = page.notice()
    page.wait_state("idle")
    assert page.page.locator("#notices").get_attribute("role") == "alert"
    return title, text


def drop(page, name, content):
    page.page.evaluate("""([name, content]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(content)], name));
        for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
        }
    }""", [name, list(content)])
