"""Clients that are gone at any moment: the bytes of a whole session, cut anywhere."""
import asyncio
import contextlib
import json
import random
import socket
import struct

import pytest

import speech
from testing.live import check_promises, cut, ended, f32, session
from testing.raw_websocket import BINARY, CLOSE, PING, RawWebSocket, frame, head, text
from testing.server import Server, wait_until

pytestmark = pytest.mark.model

SEED = 4711
NUM_CLIENTS = 200
AT_ONCE = 16
MAX_GROWTH_MB = 200


def whole_session(rng, voice):
    """The parts of a session as a client sends them, from the request to the closing handshake."""
    begin = 4 * rng.randrange(len(voice) // 8)
    audio = voice[begin:begin + 4 * rng.randrange(1000, 48000)]
    commands = [text({"type": "finalize"}), text({"type": "ping"}), text({"type": "update", "language": "en"}), frame(PING, b"?")]
    parts = [head("/ws/transcribe?language=en")]
    for piece in cut(audio, rng.choice([1000, 4096, 16384])):
        parts.append(frame(BINARY, piece))
        if rng.random() < 0.05:
            parts.append(rng.choice(commands))
    return [*parts, text({"type": "end"}), frame(CLOSE, struct.pack(">H", 1000))]


async def disconnect(port, rng, voice):
    parts = whole_session(rng, voice)
    whole = b"".join(parts)
    where = rng.random()
    if where < 0.5:
        at = rng.randrange(len(whole) + 1)  # mostly in a frame
    elif where < 0.8:
        at = len(whole) - rng.randrange(30)  # right before and after the end, and in the closing handshake
    else:
        at = rng.randrange(len(parts[0]) + 1)  # in the request
    async with await RawWebSocket.connect(port) as client:
        await client.send(whole[:min(at, len(parts[0]))])
        if at >= len(parts[0]):
            await client.reader.readuntil(b"\r\n\r\n")
        for piece in cut(whole[len(parts[0]):at], 20_000):
            await client.send(piece)
            await asyncio.sleep(rng.choice([0, 0, 0.02]))
        how = rng.choice(["abort", "reset", "close", "half", "read"])
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif how == "close":
            client.writer.close()
        elif how == "half":
            client.writer.write_eof()
            await asyncio.sleep(rng.uniform(0, 0.3))
        elif how == "read":  # some of the answers, then away
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(rng.uniform(0, 0.3)):
                    while await client.reader.read(1000):
                        pass


def test_clients_that_are_gone_at_any_moment(stenod, weights, reading, tmp_path):
    voice = f32(reading.samples)
    rng = random.Random(SEED)
    with Server(stenod, tmp_path, "--model", "tiny.en") as server:
        session(server, [*cut(voice), {"type": "end"}])  # so that all is loaded and allocated
        before_mb, files_before = server.rss_mb(), server.num_open_files()

        async def main():
            places = asyncio.Semaphore(AT_ONCE)

            async def one(seed):
                async with places, asyncio.timeout(60):
                    await disconnect(server.port, random.Random(seed), voice)
            await asyncio.gather(*(one(rng.getrandbits(64)) for _ in range(NUM_CLIENTS)))

        asyncio.run(main())
        wait_until(lambda: server.metric("stenod_live_sessions") == 0, "no session")
        wait_until(lambda: server.metric("stenod_websockets") == 0, "no WebSocket")
        wait_until(lambda: server.metric("stenod_connections") == 1, "no connection but the one that asks", seconds=90)
        wait_until(lambda: server.num_open_files() <= files_before + 1, "no file more than before")
        assert server.metric("stenod_engine_waiting_windows") == 0
        wait_until(lambda: server.metric("stenod_engine_active_windows") == 0, "an idle engine")
        assert server.rss_mb() < before_mb + MAX_GROWTH_MB

        started = {e["session_id"] for e in map(json.loads, list(server.log)) if e.get("event") == "session_started"}
        accounts = ended(server)
        assert started == set(accounts) and len(started) > NUM_CLIENTS / 4
        for account in accounts.values():
            assert account["transcribed_s"] + account["silence_s"] + account["dropped_s"] == pytest.approx(
                account["audio_s"], abs=0.001), account
        assert {a["reason"] for a in accounts.values()} == {"disconnected", "end"}
        assert not [line for line in server.log if '"level":"error"' in line]
        answers = session(server, [*cut(voice), {"type": "end"}])
        check_promises(answers, len(voice) // 4)
        assert speech.word_error_rate(reading.text, answers.text) < 0.15
