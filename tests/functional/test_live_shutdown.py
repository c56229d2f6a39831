"""A server that ends while people speak."""
import asyncio
import json
import signal
import time

import pytest
import websockets

import speech
from testing.live import Answers, check_promises, collect, cut, f32, live_url
from testing.raw_websocket import BINARY, RawWebSocket, frame, head
from testing.server import Server

pytestmark = pytest.mark.model

SHUTDOWN_S = 10  # the default of server.shutdown_s
NUM_SPEAKERS = 4
SPOKEN_S = 4.5  # in the middle of the first sentence


async def speak(server, samples, spoken):
    """At the pace of speech, until the server ends it. `spoken` is set once a good part of a sentence is said."""
    async with websockets.connect(live_url(server, "language=en")) as connection:
        answers = Answers(began=time.monotonic())
        reader = asyncio.create_task(collect(connection, answers))
        sent = 0
        try:
            for piece in cut(f32(samples)):
                sent += len(piece)
                await asyncio.sleep(answers.began + sent / 64000 - time.monotonic())
                await connection.send(piece)
                if sent / 64000 > SPOKEN_S:
                    spoken.set()
        except websockets.ConnectionClosed:
            pass
        return await reader


def test_sessions_get_notice_and_their_finals(stenod, weights, reading, tmp_path):
    sentence = speech.librivox_clips()[0]
    samples = speech.silence(0.5) + sentence.samples * 3
    server = Server(stenod, tmp_path, "--model", "base")

    async def main():
        spoken = [asyncio.Event() for _ in range(NUM_SPEAKERS)]
        speakers = [asyncio.create_task(speak(server, samples, event)) for event in spoken]
        # Beside those that speak: a session without audio, one whose client reads nothing and answers no close, half a
        # request, and half a message.
        quiet = await websockets.connect(live_url(server))
        deaf = await RawWebSocket.open(server.port, "/ws/transcribe?language=en")
        await deaf.send(frame(BINARY, f32(sentence.samples)))
        half = await RawWebSocket.connect(server.port)
        await half.send(head()[:40])
        partial = await RawWebSocket.open(server.port)
        await partial.send(frame(BINARY, bytes(100_000))[:50_000])
        await asyncio.gather(*(event.wait() for event in spoken))

        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        done = await asyncio.gather(*speakers)
        heard = await collect(quiet)
        with pytest.raises(OSError):
            await RawWebSocket.connect(server.port)
        code = await asyncio.to_thread(server.process.wait, 30)
        for client in (deaf, half, partial):
            client.abort()
        return done, heard, code, time.monotonic() - begin

    with server:
        speakers, quiet, code, took_s = asyncio.run(main())
        assert code == 0 and took_s < SHUTDOWN_S + 3, (code, took_s)

        for answers in [*speakers, quiet]:
            check_promises(answers)
            assert answers.close_code == 1001, answers.close_reason
            warning, = answers.of("warning")
            assert warning["code"] == "shutting_down"
            assert answers.end["reason"] == "shutting_down"
            rest = answers.messages[answers.messages.index(warning) + 1:]
            assert [m["type"] for m in rest] in (["final", "end"], ["end"])
        for answers in speakers:
            # What was said until then is there: its beginning, as far as it was heard.
            assert answers.finals and "shutting_down" not in answers.end["audio"]["dropped"], answers.summary()
            said = speech.words(answers.text)
            assert len(said) > 0.4 * len(speech.words(sentence.text)) * SPOKEN_S / sentence.seconds, answers.text
            reference = " ".join(speech.words(sentence.text)[:len(said)])
            assert speech.word_error_rate(reference, answers.text) < 0.3, answers.text
        assert quiet.end["audio"]["received"] == 0
        events = [json.loads(line).get("event") for line in server.log]
        assert events.index("shutting_down") < len(events) - 1 and events[-1] == "stopped"
