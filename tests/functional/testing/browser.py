"""Chromium as the page's users have it, with a file for a microphone, and what the tests do with the page."""
import json
import pathlib
import urllib.parse

CHROMIUM = pathlib.Path("/usr/bin/chromium")

# How long a browser may take for what it does at once on a machine that has nothing else to do.
PATIENCE_MS = 60_000

FAKE_DEVICE = "--use-fake-device-for-media-stream"
ALLOW, DENY = "--use-fake-ui-for-media-stream", "--use-fake-ui-for-media-stream=deny"


def microphone(wav):
    """Arguments for a microphone that plays the file once, from each getUserMedia() on, and is then silent."""
    return [ALLOW, FAKE_DEVICE, f"--use-file-for-fake-audio-capture={wav}%noloop"]


def launch(playwright, *arguments):
    return playwright.chromium.launch(executable_path=CHROMIUM,
                                      args=[*arguments, "--autoplay-policy=no-user-gesture-required"])


class LivePage:
    """The page in a browser, and what went wrong in it."""

    def __init__(self, browser, url, **context):
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.url = url
        self.errors = []
        self.foreign = []  # requests to anybody else
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._on_request)
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective, e.blockedURI));")
        self.page.on("console", lambda message: "CSP" in message.text and self.errors.append(message.text))

    def _on_request(self, request):
        if not request.url.startswith((urllib.parse.urljoin(self.url, "/"), "blob:")):
            self.foreign.append(request.url)

    def open(self):
        self.page.goto(self.url)
        return self

    def close(self):
        self.context.close()

    def wait_state(self, state):
        self.page.wait_for_selector(f"body[data-state={state}]")

    def switch_processing_off(self):
        """So that speech reaches the server as it is."""
        self.page.click("#open-settings")
        for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
            self.page.uncheck(f"[name={name}]")
        self.page.keyboard.press("Escape")

    def start(self):
        self.page.click("#start")
        self.wait_state("listening")

    def stop(self):
        self.page.click("#stop")
        self.wait_state("idle")

    def wait_text(self, text):
        """Until settled text of the visible transcript contains it."""
        self.page.locator("section:not([hidden]) [data-segment]", has_text=text).first.wait_for()

    def wait_partial(self, text):
        self.page.locator(".partial", has_text=text).wait_for()

    @property
    def finals(self):
        return self.page.locator("section:not([hidden]) [data-segment]").all_inner_texts()

    def notice(self):
        """The title and the text of the notice."""
        notice = self.page.locator(".notice").first
        notice.wait_for()
        return notice.locator("strong").inner_text(), notice.locator("p").inner_text()

    def save(self, name):
        """What the user gets who saves the transcript in a format: the file's name and its text."""
        self.page.click("#save summary")
        with self.page.expect_download() as download:
            self.page.click(f"[data-format={name}]")
        return download.value.suggested_filename, pathlib.Path(download.value.path()).read_text()

    def segments(self):
        return json.loads(self.save("json")[1])["segments"]
