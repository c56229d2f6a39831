"""Sessions that reach a limit, and a server that has more to do than it can."""
import asyncio
import json
import time

import pytest
import websockets

import speech
from testing.live import Answers, add_up, check_promises, collect, cut, ended, f32, live_url, session
from testing.server import Server, wait_until

pytestmark = pytest.mark.model

END = {"type": "end"}
LIMIT_S = 10
# Clients that speak faster than real time, with more than waits for its text at most (90 s): they are held up.
NUM_STREAMS, TIMES = 3, 4
PONG_S = 20  # so long clients wait for a pong, as the package websockets does


def test_a_session_ends_at_its_limit(stenod, weights, reading, tmp_path):
    with Server(stenod, tmp_path, "--model", "tiny.en", "--live-max-session-s", LIMIT_S) as server:
        answers = session(server, [*cut(f32(reading.samples)), END], "language=en", speed=1)
        check_promises(answers)
        assert answers.end["reason"] == answers.close_reason == "session_limit" and answers.close_code == 1008
        assert answers.of("warning") == [] and answers.of("error") == []  # a minute before is before the beginning
        # All that was said until then has its text.
        account = answers.end["audio"]
        heard_s = account["received"] / speech.RATE
        assert account["dropped"] == {} and LIMIT_S - 2 < heard_s < reading.seconds
        said = speech.words(answers.text)
        assert len(said) > 0.5 * len(speech.words(reading.text)) * heard_s / reading.seconds, answers.text
        reference = " ".join(speech.words(reading.text)[:len(said)])
        assert speech.word_error_rate(reference, answers.text) < 0.3, answers.text
        only, = ended(server).values()
        assert only["reason"] == "session_limit" and only["audio_s"] == pytest.approx(heard_s, abs=0.001)


def test_pings_are_answered_while_there_is_too_much_to_do(stenod, weights, reading, tmp_path):
    data = cut(f32(reading.samples * TIMES))
    pongs = []  # after how long each came, and whether text was still to come

    async def stream(server):
        async with websockets.connect(live_url(server, "language=en"), ping_interval=None, max_size=None) as connection:
            answers = Answers(began=time.monotonic())
            reader = asyncio.create_task(collect(connection, answers))

            async def ping():
                while True:
                    asked = time.monotonic()
                    await (await connection.ping())
                    pongs.append((time.monotonic() - asked, not answers.of("end")))
                    await asyncio.sleep(0.2)

            pinging = asyncio.create_task(ping())
            for piece in data:
                await connection.send(piece)
            await connection.send(json.dumps(END))
            await reader
            pinging.cancel()
            return answers

    async def main(server):
        async with asyncio.timeout(500):
            return await asyncio.gather(*(stream(server) for _ in range(NUM_STREAMS)))

    with Server(stenod, tmp_path, "--model", "tiny.en") as server:
        for answers in asyncio.run(main(server)):
            check_promises(answers, sum(map(len, data)) // 4)
            assert answers.close_code == 1000 and answers.end["audio"]["dropped"] == {}
            assert add_up(answers.end["audio"]) == answers.end["audio"]["received"]
        waits = [wait for wait, is_busy in pongs if is_busy]
        assert len(waits) >= NUM_STREAMS and max(waits) < PONG_S, sorted(waits)[-10:]
        wait_until(lambda: server.metric("stenod_live_sessions") == 0, "no session")
