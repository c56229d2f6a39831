"""Live transcription by `stenod serve`, with clients as people write them with the package websockets."""
import asyncio
import json
import socket
import struct

import numpy as np
import pytest

import speech
from testing.live import Answers, add_up, check_promises, cut, ended, f32, live_url, session, talk
from testing.server import Server, wait_until

websockets = pytest.importorskip("websockets")
pytestmark = pytest.mark.model

END = {"type": "end"}


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("data"), "--model", "base") as running:
        yield running


@pytest.fixture(scope="module")
def sentence():
    """One sentence of 7 s, with silence around it."""
    return speech.join(speech.librivox_clips()[:1])


# --- Clients as they are usually written

def test_a_usual_client(server, reading, capsys):
    """Knows nothing but binary float32 in, `partial` and `final` out; speaks at four times the speed."""
    samples = np.frombuffer(reading.samples, "<i2").astype(np.float32) / 32768
    answers = Answers()

    async def main():
        async with websockets.connect(live_url(server)) as ws:
            async def read():
                async for message in ws:
                    message = json.loads(message)
                    answers.messages.append(message)
                    if message["type"] == "partial":
                        print("\r" + message["text"], end="", flush=True)
                    elif message["type"] == "final":
                        print("\r" + message["text"])

            reader = asyncio.create_task(read())
            for i in range(0, len(samples), 4096):
                await ws.send(samples[i:i + 4096].tobytes())
                await asyncio.sleep(4096 / 16000 / 4)
            await ws.send(json.dumps({"type": "end"}))
            await reader
            assert ws.close_code == 1000

    asyncio.run(main())
    check_promises(answers, len(samples))
    assert speech.word_error_rate(reading.text, answers.text) < 0.15, answers.text
    assert [line.split("\r")[-1] for line in capsys.readouterr().out.split("\n")[:-1]] == [
        m["text"] for m in answers.finals]
    assert answers.end["full_transcript"].split() == answers.text.split()

    # Words come before the utterance is settled. (Later the client is too far ahead of the clock for partials.)
    first = answers.finals[0]["utterance"]
    order = [m["type"] for m in answers.messages if m.get("utterance") == first]
    assert order[-1] == "final" and order.count("partial") >= 2, answers.summary()
    assert {m["language"] for m in answers.finals} == {"en"}

    # What the speaker said between the pauses: five sentences.
    speech_s = sum(m["end"] - m["start"] for m in answers.finals)
    assert 0.7 * reading.seconds < speech_s < reading.seconds
    assert answers.end["audio"]["dropped"] == {}


def test_at_the_pace_of_speech_text_becomes_firm_while_it_is_spoken(server):
    """At least half of what the finals of long utterances say was promised before."""
    said = [clip for clip in speech.librivox_clips() + speech.prompt_clips() if 5 < clip.seconds < 10]
    sound = [speech.silence(0.3) + clip.samples + speech.silence(1) for clip in said]

    async def main():
        return await asyncio.gather(*(talk(live_url(server, "language=en"), [*cut(f32(samples)), END], speed=1)
                                      for samples in sound))

    promised = words = num_partials = seconds = 0
    for answers, samples in zip(asyncio.run(main()), sound):
        check_promises(answers, len(samples) // 2)
        for final in answers.finals:
            if final["end"] - final["start"] < 4:
                continue
            partials = [m for m in answers.of("partial") if m["utterance"] == final["utterance"]]
            promised += len(partials[-1]["stable"].split()) if partials else 0
            words += len(final["text"].split())
            num_partials += len(partials)
            seconds += final["end"] - final["start"]
    assert len(said) >= 3 and seconds > 15
    # A busy machine has partials that are rarer, as they are meant to be, and firm text comes later.
    share = 1 / 2 if num_partials / seconds > 1.2 else 1 / 4
    assert promised >= share * words, (promised, words, num_partials, seconds)


def test_a_client_that_knows_only_text(server, reading):
    async def main():
        async with websockets.connect(live_url(server, "language=en&format=text")) as ws:
            async def read():
                return [message async for message in ws]

            reader = asyncio.create_task(read())
            for piece in cut(f32(reading.samples)):
                await ws.send(piece)
            await ws.send(json.dumps(END))
            lines = await reader
            return lines, ws.close_code

    lines, code = asyncio.run(main())
    assert code == 1000
    assert all(isinstance(line, str) and line.strip() and "{" not in line for line in lines)
    assert speech.word_error_rate(reading.text, " ".join(lines)) < 0.15, lines


# --- Settings and commands

def test_words_have_their_times(server, reading):
    answers = session(server, [{"type": "start", "words": True, "language": "en"}, *cut(f32(reading.samples)), END])
    check_promises(answers, len(reading.samples) // 2)
    words = [word for m in answers.finals for word in m["words"]]
    assert "".join(w["word"] for w in words).split() == answers.text.split()
    starts = [w["start"] for w in words]
    assert starts == sorted(starts)
    assert all(0 < w["probability"] <= 1 for w in words)


def test_wrong_settings_in_the_address_leave_nothing_to_conclude(server):
    answers = session(server, [], "silence_ms=0")
    only, = answers.messages
    assert (only["type"], only["code"], only["param"]) == ("error", "invalid_argument", "silence_ms")
    assert (answers.close_code, answers.close_reason) == (1008, "invalid_argument")


def test_finalize_ends_the_utterance_there(server, sentence):
    data = cut(f32(sentence.samples))
    middle = len(data) // 2
    answers = session(server, [*data[:middle], {"type": "finalize"}, *data[middle:], END], "language=en")
    check_promises(answers, len(sentence.samples) // 2)
    assert [m["reason"] for m in answers.finals][0] == "finalize"
    assert answers.finals[0]["end"] == pytest.approx(middle * 4096 / 16000, abs=0.1)
    assert len(answers.finals) >= 2 and answers.finals[1]["start"] >= answers.finals[0]["end"]
    assert speech.word_error_rate(sentence.text, answers.text) < 0.35, answers.text  # the word at the cut may suffer


def test_the_language_is_updated(server, sentence):
    data = cut(f32(sentence.samples))
    answers = session(server, [*data, {"type": "update", "language": "de"}, *data, END], "language=en")
    check_promises(answers, len(sentence.samples))
    assert [m["language"] for m in answers.of("ready")] == ["en", "de"]
    assert answers.finals[0]["language"] == "en" and answers.finals[-1]["language"] == "de"


def test_both_sides_of_a_call(server, reading, prompts):
    stereo = speech.interleave(reading.samples, prompts.samples)
    answers = session(server, [*cut(stereo, 16000), END], "encoding=s16le&channels=2&language=en")
    frames = len(stereo) // 4
    check_promises(answers, 2 * frames)
    for channel, clip in enumerate([reading, prompts]):
        text = " ".join(m["text"] for m in answers.finals if m["channel"] == channel)
        assert speech.word_error_rate(clip.text, text) < 0.2, text
        account = answers.end["channels"][channel]
        assert account["received"] == frames == add_up(account)
    assert all("channel" in m for m in answers.of("partial"))


# --- Clients that leave

@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_vanishes(server, sentence, how):
    """In mid-sentence the connection is gone; the server accounts for what it has heard and goes on."""
    half = cut(f32(sentence.samples))[:12]

    async def vanish():
        connection = await websockets.connect(live_url(server, "language=en"))
        ready = json.loads(await connection.recv())
        for piece in half:
            await connection.send(piece)
        await connection.send('{"type":"ping"}')
        while json.loads(await connection.recv())["type"] != "pong":  # all has arrived
            pass
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.transport.abort()
        return ready["session_id"]

    number = asyncio.run(vanish())
    wait_until(lambda: number in ended(server), "the session's end in the log")
    account = ended(server)[number]
    assert account["reason"] == "disconnected"
    assert account["audio_s"] == pytest.approx(len(half) * 4096 / 16000)
    assert account["transcribed_s"] + account["silence_s"] + account["dropped_s"] == pytest.approx(account["audio_s"])
    assert account["dropped_s"] > 0  # the sentence that nobody waits for
    wait_until(lambda: server.metric("stenod_live_sessions") == 0, "no session")
    assert server.get("/sessions").json() == {"sessions": []}
    assert server.get("/readyz").status == 200


def test_a_session_is_listed_while_it_lasts(server, sentence):
    async def main():
        async with websockets.connect(live_url(server, "language=en")) as connection:
            number = json.loads(await connection.recv())["session_id"]
            await connection.send(f32(sentence.samples))
            while json.loads(await connection.recv())["type"] != "final":
                pass
            await asyncio.to_thread(wait_until, lambda: listed()["finals"] >= 1, "its final in /sessions")
            return number, listed()

    def listed():
        only, = server.get("/sessions").json()["sessions"]
        return only

    number, info = asyncio.run(main())
    assert info["session_id"] == number and info["client"] == "127.0.0.1" and info["language"] == "en"
    assert info["audio_s"] == pytest.approx(sentence.seconds, abs=0.01)
