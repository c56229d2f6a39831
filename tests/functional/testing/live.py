"""A client of the live protocol, and what every session promises its client."""
import asyncio
import collections
import dataclasses
import json
import time

import numpy as np
import websockets

import speech

MESSAGE_SAMPLES = 4096

# Words that begin or end softly reach so far out of what the detector calls speech (pre-roll, and the pause after it).
WORD_REACH_S = 0.51


def f32(samples):
    """16-bit samples as the protocol's default encoding has them."""
    return (np.frombuffer(samples, "<i2").astype("<f4") / 32768).tobytes()


def cut(data, size=4 * MESSAGE_SAMPLES):
    return [data[i:i + size] for i in range(0, len(data), size)]


@dataclasses.dataclass
class Answers:
    """What a session said; each message with the time of its arrival (time.monotonic()) as `at`."""
    messages: list = dataclasses.field(default_factory=list)
    close_code: int = None
    close_reason: str = None
    began: float = None  # when the first sound was due

    def of(self, kind):
        return [m for m in self.messages if m["type"] == kind]

    @property
    def finals(self):
        return self.of("final")

    @property
    def text(self):
        return " ".join(m["text"].strip() for m in self.finals)

    @property
    def end(self):
        found = self.of("end")
        assert found, f"no end; closed with {self.close_code} {self.close_reason}: {self.summary()[-5:]}"
        return found[-1]

    def summary(self):
        return [{k: v for k, v in m.items() if k not in ("full_transcript", "words")} for m in self.messages]


def add_up(account):
    return account["transcribed"] + account["silence"] + sum(account["dropped"].values())


def check_promises(answers, received=None):
    """Asserts what docs/protocol.md promises of any session that was brought to its end: the order of messages, firm
    `stable` text, times within the audio, and accounts that add up. `received`: frames that were sent, over all
    channels."""
    said = answers.summary()
    account = answers.end["audio"]
    assert answers.messages[0]["type"] == "ready", said
    assert [m["type"] for m in answers.messages].index("end") == len(answers.messages) - 1, said
    settings = answers.of("ready")[-1]
    assert add_up(account) == account["received"], account
    if received is not None:
        assert account["received"] == received, account

    stable = collections.defaultdict(str)
    revision = collections.Counter()
    settled, ends = set(), collections.defaultdict(float)
    limit = account["received"] / settings["channels"] / settings["sample_rate"] + 0.001
    for message in answers.messages:
        if message["type"] not in ("partial", "final"):
            continue
        number, channel = message["utterance"], message.get("channel", 0)
        assert number not in settled, f"{message} comes after its final: {said}"
        assert message["text"].startswith(stable[number]), f"{message} breaks {stable[number]!r}: {said}"
        assert 0 <= message["start"] < message["end"], message
        if settings["encoding"] not in ("auto", "opus"):  # those have a clock of their own
            assert message["end"] <= limit, message
        if message["type"] == "partial":
            assert message["text"].startswith(message["stable"]) and message["stable"].startswith(stable[number]), said
            stable[number] = message["stable"]
            revision[number] += 1
            assert message["revision"] == revision[number], said
        else:
            settled.add(number)
            assert message["start"] >= ends[channel] - 0.001, f"{message} begins before the end of the last final: {said}"
            ends[channel] = message["end"]
            for word in message.get("words", []):
                assert message["start"] - WORD_REACH_S <= word["start"] <= word["end"] <= message["end"] + WORD_REACH_S, message
    assert {n for n, text in stable.items() if text} <= settled, f"promised text without a final: {said}"


async def collect(connection, answers=None):
    """Reads until the connection is over."""
    answers = answers or Answers()
    try:
        async for message in connection:
            answers.messages.append(json.loads(message) | {"at": time.monotonic()})
    except websockets.ConnectionClosedError:
        pass
    answers.close_code, answers.close_reason = connection.close_code, connection.close_reason
    return answers


async def talk(url, messages, speed=None, bytes_per_s=4 * speech.RATE, timeout_s=180, **options):
    """A session: sends what `messages` has (bytes as they are, dictionaries as JSON, a number: seconds to wait), reads
    all the time, and returns the Answers once the server has closed. `speed`: audio is sent once it has been spoken, at so
    many times the speed; without it, at once."""
    async with asyncio.timeout(timeout_s):
        # timeout_s decides, and no ping that a busy machine answers late.
        async with websockets.connect(url, max_size=None, ping_interval=None, **options) as connection:
            answers = Answers(began=time.monotonic())
            reader = asyncio.create_task(collect(connection, answers))
            sent = 0
            try:
                for message in messages:
                    if isinstance(message, (int, float)):
                        await asyncio.sleep(message)
                    elif isinstance(message, dict):
                        await connection.send(json.dumps(message))
                    else:
                        sent += len(message)
                        if speed:
                            await asyncio.sleep(answers.began + sent / bytes_per_s / speed - time.monotonic())
                        await connection.send(message)
            except websockets.ConnectionClosed:
                pass
            return await reader


def session(server, messages, query="", **options):
    """The same with a testing.server.Server, for tests that do nothing meanwhile."""
    return asyncio.run(talk(live_url(server, query), messages, **options))


def live_url(server, query=""):
    return f"ws://127.0.0.1:{server.port}/ws/transcribe" + (f"?{query}" if query else "")


def ended(server):
    """What the log says of the sessions that are over, by their id."""
    events = [json.loads(line) for line in list(server.log)]
    return {e["session_id"]: e for e in events if e.get("event") == "session_ended"}
