"""The client, inside Chromium, when connections break and servers end sessions: what it sends again, what it calls lost."""
import time

import pytest

from test_page_modules import browser, client, mock, run, chromium  # noqa: F401
from testing import mock_server
from testing.mock_server import Utterance

pytestmark = pytest.mark.skipif(not chromium.CHROMIUM.exists(), reason="the package chromium is not installed")

RATE = 16000


def wait_until(test):
    deadline = time.monotonic() + 60
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Stream:
    """A client in a page whose clock the test turns. Times are seconds on the client's clock."""

    def __init__(self, page, mock):
        self.page, self.mock = page, mock
        self.spoken = b""
        self.num_pieces = self.num_marks = 0

    def connect(self, **options):
        self.page.evaluate(client("""
            window.client = record(new StenodClient(argument));
            window.say = (count, value) => {
                for (; count > 0; count -= 1600) client.sendAudio(new Float32Array(Math.min(count, 1600)).fill(value / 32768));
            };
            window.details = (type) => events.filter((e) => e.type === type).map(({ detail }) => detail);
            await window.client.connect();
        """), options)

    @property
    def session(self):
        return self.mock.sessions[-1]

    def say(self, seconds):
        """At once; every piece is told from the others by its samples."""
        self.num_pieces += 1
        count = round(RATE * seconds)
        self.page.evaluate(f"say({count}, {self.num_pieces})")
        self.spoken += count * self.num_pieces.to_bytes(2, "little")

    def go_on(self, seconds):
        """Speaks while time passes; afterwards the server has heard all, and the client knows it."""
        self.say(seconds)
        self.page.clock.run_for(1000 * seconds)
        self.wait_heard()

    def wait_heard(self):
        self.say(0.001)  # comes behind all that is on its way, pings included
        wait_until(lambda: self.session.audio.endswith(self.num_pieces.to_bytes(2, "little") * 16))
        self.tell({"type": "warning", "code": "mark", "message": ""})

    def tell(self, message):
        """What the server says; returns when the client knows."""
        before = len(self.details(message["type"]))
        self.session.send(message)
        wait_until(lambda: len(self.details(message["type"])) > before)

    def cut(self):
        self.session.cut()
        wait_until(lambda: self.state == "reconnecting")

    def come_back(self):
        before = len(self.mock.sessions)
        self.page.evaluate("client.retryNow()")
        wait_until(lambda: self.state == "open" and len(self.mock.sessions) > before)
        self.wait_heard()

    @property
    def state(self):
        return self.page.evaluate("client.state")

    def begins(self, session):
        """From where on the session has heard all without a gap."""
        assert self.spoken.endswith(bytes(session.audio))
        return (len(self.spoken) - len(session.audio)) / 2 / RATE

    def details(self, kind):
        return self.page.evaluate("(type) => details(type)", kind)

    def times(self, kind):
        return [[detail["start"], detail["end"]] for detail in self.details(kind)]


@pytest.fixture
def stream(browser, mock):
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(mock.url + "favicon.svg")
    yield Stream(page, mock)
    context.close()


def partial(utterance, start, end):
    return {"type": "partial", "text": f"text {utterance}", "stable": "", "utterance": utterance, "revision": 1,
            "start": start, "end": end}


def final(utterance, start, end, words=None):
    message = {"type": "final", "text": f"text {utterance}", "utterance": utterance, "start": start, "end": end}
    return message | ({"words": [{"word": "text", "start": s, "end": e, "probability": 1} for s, e in words]} if words else {})


# Breaks


def test_without_partials_all_that_is_not_final_is_sent_again(stream):
    stream.connect(settings={"partial_interval_ms": 0})
    stream.go_on(2)
    stream.tell(final(1, 0.2, 1.25))
    for _ in range(2):
        stream.go_on(5)  # of one utterance; pongs say that the server has it
    stream.cut()
    stream.say(1)
    stream.come_back()
    assert stream.begins(stream.session) == 1.25
    assert stream.times("lost") == []
    assert stream.times("final") == [[0.2, 1.25]]


def test_a_network_that_breaks_again_and_again(stream):
    """What is sent again and received, but breaks before its finals, is sent once more."""
    stream.connect()
    stream.go_on(1)
    stream.tell(final(1, 0.25, 0.75))
    stream.go_on(5)
    for _ in range(3):
        stream.cut()
        stream.say(2)
        stream.come_back()
        assert stream.begins(stream.session) == 0.75
        stream.go_on(5)
    assert stream.times("lost") == []
    stream.tell(final(1, 0.5, 10.5))  # on the session's clock
    stream.cut()
    stream.come_back()
    assert stream.begins(stream.session) == 11.25
    assert stream.times("final") == [[0.25, 0.75], [1.25, 11.25]]


def test_what_breaks_for_too_long_is_told_once(stream):
    stream.connect(bufferSeconds=8)
    stream.go_on(1)
    stream.tell(final(1, 0.25, 0.75))
    stream.go_on(5)
    stream.cut()
    stream.say(4)  # of what the server had, two seconds are too old now
    stream.come_back()
    [[start, end]] = stream.times("lost")
    assert start == 0.75 and end == stream.begins(stream.session)
    stream.go_on(1)
    stream.cut()
    stream.say(1)
    stream.come_back()
    assert stream.times("lost") == [[0.75, end], [end, stream.begins(stream.session)]]


def test_a_late_final_leaves_the_next_utterance_open(stream):
    stream.connect()
    stream.go_on(6)
    stream.tell(partial(2, 4, 5))
    stream.tell(final(1, 0.5, 3))
    stream.go_on(5)
    stream.cut()
    stream.come_back()
    assert stream.begins(stream.session) == 3


def test_a_word_that_fades_out_does_not_come_again(stream):
    stream.connect(settings={"words": True})
    stream.go_on(3)
    stream.tell(final(1, 0.5, 2, words=[(0.5, 1), (1.1, 2.25)]))
    stream.cut()
    stream.come_back()
    assert stream.begins(stream.session) == 2.25


def test_silence_is_not_lost(stream):
    """A partial that was withdrawn, minutes of silence, a break: nobody misses anything."""
    stream.connect()
    stream.go_on(3)
    stream.tell(partial(1, 1, 2))
    for _ in range(60):
        stream.go_on(5)
    stream.cut()
    stream.say(4)
    assert 4 < stream.page.evaluate("client.waiting") < 4 + 20
    stream.come_back()
    assert stream.times("lost") == []
    assert stream.begins(stream.session) == pytest.approx(307 - 30, abs=0.2)  # no more than is kept


def test_silence_before_a_long_break_is_not_lost(stream):
    stream.connect()
    for _ in range(12):
        stream.go_on(5)
    stream.cut()
    for _ in range(8):
        stream.say(5)
    stream.come_back()
    [[start, end]] = stream.times("lost")
    assert 60 - 16 < start < 60 - 8 and end == stream.begins(stream.session)


def test_a_long_utterance_without_partials_is_no_silence(stream, monkeypatch):
    ready = mock_server.Session._ready
    monkeypatch.setattr(mock_server.Session, "_ready", lambda self: ready(self) | {"partial_interval_ms": 0})
    stream.connect(settings={"partial_interval_ms": 0}, bufferSeconds=4)
    for _ in range(5):
        stream.go_on(5)
    stream.cut()
    stream.come_back()
    assert stream.times("lost") == [[0, stream.begins(stream.session)]]


# Ends


@pytest.mark.parametrize("reason, code", [("session_limit", 1008), ("shutting_down", 1001)])
def test_a_server_that_ends_before_it_is_asked_to(stream, mock, reason, code):
    """It hears nothing more while its finals are pending; then the user stops."""
    mock.plan = lambda index: [] if index == 0 else [Utterance(0.5, 0.9, "the tail")]
    stream.connect()
    stream.go_on(3)
    received = len(stream.session.audio) // 2
    mock.is_mute = True
    stream.say(1)
    stream.page.evaluate("client.end().then((end) => (window.ended = end)) && 0")
    first = stream.session
    wait_until(lambda: first.messages[-1]["type"] == "end")
    mock.is_mute = False
    first.send(final(1, 0.5, 2))
    first.send({"type": "end", "full_transcript": "text 1", "reason": reason,
                "audio": {"received": received, "transcribed": received, "silence": 0, "dropped": {}}})
    first.close(code)
    stream.page.clock.run_for(2000)
    wait_until(lambda: stream.page.evaluate("window.ended?.reason") == "end")
    assert stream.begins(stream.session) == received / RATE
    assert [detail["text"] for detail in stream.details("final")] == ["text 1", "the tail"]
    assert stream.times("lost") == [] and stream.state == "idle"


def test_a_server_that_ends_when_it_has_heard_all(stream, mock):
    stream.connect()
    stream.go_on(3)
    received = len(stream.session.audio) // 2
    mock.is_mute = True
    stream.page.evaluate("client.end().then((end) => (window.ended = end)) && 0")
    stream.session.send({"type": "end", "reason": "shutting_down", "audio": {"received": received, "dropped": {}}})
    wait_until(lambda: stream.page.evaluate("window.ended?.reason") == "shutting_down")
    assert stream.state == "idle" and len(mock.sessions) == 1


def test_a_server_that_has_no_time_for_its_finals(stream):
    stream.connect()
    stream.go_on(5)
    stream.tell(final(1, 0.5, 2))
    received = len(stream.session.audio) // 2
    stream.tell({"type": "end", "reason": "shutting_down",
                 "audio": {"received": received, "transcribed": 32000, "silence": 0, "dropped": {"shutting_down": received - 32000}}})
    stream.session.close(1001)
    stream.page.clock.run_for(1000)
    wait_until(lambda: len(stream.mock.sessions) == 2)
    stream.wait_heard()
    assert stream.begins(stream.session) == 2


# One attempt after the other


def test_closed_and_connected_again_at_once(run, mock):
    found = run(client("""
        const client = record(new StenodClient());
        const first = client.connect().catch((error) => error.code);
        client.close();
        const second = client.connect();
        const told = await first;
        await second;
        client.sendAudio(seconds(1));
        await client.end();
        return [told, events.map((e) => e.type), client.state];
    """))
    assert found == ["closed", ["ready", "end", "close"], "idle"]
    assert sum(len(session.audio) for session in mock.sessions) == 2 * RATE


def test_closed_while_reconnecting_and_connected_again(run, mock):
    mock.commands["/mute-and-cut"] = lambda: (setattr(mock, "is_mute", True), mock.sessions[0].cut())
    mock.commands["/speak"] = lambda: setattr(mock, "is_mute", False)
    mock.commands["/is-trying"] = lambda: wait_until(lambda: len(mock.sessions) == 2 and mock.sessions[1].messages)
    found = run(client("""
        const client = record(new StenodClient());
        await client.connect();
        await fetch("/mute-and-cut");
        await until(() => client.state === "reconnecting");
        client.retryNow();
        await fetch("/is-trying");
        await fetch("/speak");
        client.close();
        await client.connect();
        client.sendAudio(seconds(1));
        await client.end();
        return [events.map((e) => e.type), client.state];
    """))
    assert found == [["ready", "reconnecting", "close", "ready", "end", "close"], "idle"]
