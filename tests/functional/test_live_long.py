"""An hour in one session, as fast as the server takes it: its sample clock knows no wall clock. By default it is ten minutes
with tiny.en; STENOD_TEST_LONG=1 makes it sixty, with base."""
import bisect
import os
import random
import statistics
import threading

import pytest

import speech
from testing.live import check_promises, cut, session
from testing.server import Server

pytestmark = [pytest.mark.model, pytest.mark.slow]

IS_LONG = os.environ.get("STENOD_TEST_LONG") == "1"
MINUTES, MODEL = (60, "base") if IS_LONG else (10, "tiny.en")
# Each of the engine's slots keeps the room of its longest window so far, which comes late for some. An hour of samples
# would be 115 MB, of log-mel frames as much again.
MAX_GROWTH_MB = 100 if IS_LONG else 40
END = {"type": "end"}
QUERY = "encoding=s16le&language=en&words=true"


def sound(samples, reach_s=0.02):
    """Begin and end of what can be heard of a clip, in seconds: 20 ms within 35 dB of the loudest."""
    np = pytest.importorskip("numpy")
    size = int(reach_s * speech.RATE)
    values = np.frombuffer(samples, "<i2").astype(float)
    level = np.sqrt((values[:len(values) // size * size].reshape(-1, size) ** 2).mean(1)) + 1e-9
    loud = np.flatnonzero(level > level.max() * 10 ** (-35 / 20))
    return loud[0] * reach_s, (loud[-1] + 1) * reach_s


@pytest.fixture(scope="module")
def clips(reading, prompts):  # which skip without their packages
    return [(clip, *sound(clip.samples)) for clip in speech.librivox_clips() + speech.prompt_clips()]


def arrange(clips, seconds, seed=7):
    """Clips in random order with pauses of random length: the samples, and [(begin, end, text)] of each clip's sound."""
    rng = random.Random(seed)
    parts, places, at = [], [], 0
    order = []
    while True:
        order = order or rng.sample(clips, len(clips))
        clip, begin, end = order.pop()
        pause = speech.silence(rng.uniform(0.8, 4))
        if at + len(pause) + len(clip.samples) > 2 * speech.RATE * (seconds - 1):
            break
        at += len(pause)
        places.append((at / 2 / speech.RATE + begin, at / 2 / speech.RATE + end, clip.text))
        at += len(clip.samples)
        parts += [pause, clip.samples]
    return b"".join(parts) + bytes(2 * speech.RATE * seconds - at), places


class Watch(threading.Thread):
    """The server's memory by how much of the audio has arrived."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.seen = server, threading.Event(), []

    def run(self):
        while not self.over.wait(0.05):
            for info in self.server.get("/sessions").json()["sessions"]:
                self.seen.append((info["audio_s"], self.server.rss_mb()))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def most(self, begin_s, end_s):
        # On a fast machine a busy watcher may see nothing of a short stretch: then what it saw last before counts.
        inside = [mb for audio_s, mb in self.seen if begin_s <= audio_s <= end_s]
        return max(inside or [mb for audio_s, mb in self.seen if audio_s < begin_s][-1:])


def drift(finals, places):
    """By how much the beginnings of finals have moved against those of their clips from the first quarter to the last."""
    begins = [begin for begin, _, _ in places]
    moved = []
    for begin in begins:
        near = [final["start"] - begin for final in finals if abs(final["start"] - begin) < 0.5]
        moved += near[:1]
    assert len(moved) > 0.9 * len(places), (len(moved), len(places))
    quarter = len(moved) // 4
    return statistics.median(moved[-quarter:]) - statistics.median(moved[:quarter])


def by_clip(finals, places):
    """The text that finals hold for each clip; asserts that every final lies in the clips that it overlaps."""
    begins, texts = [begin for begin, _, _ in places], ["" for _ in places]
    for final in finals:
        first = max(0, bisect.bisect(begins, final["start"] + 0.5) - 1)
        last = bisect.bisect(begins, final["end"]) - 1
        assert places[first][0] - 0.5 <= final["start"] and final["end"] <= places[last][1] + 0.5, (
            final["start"], final["end"], final["text"], places[first:last + 1])
        for index in range(first, last + 1):  # two, where the pause between them was too short
            begin, end, _ = places[index]
            texts[index] += "".join(w["word"] for w in final["words"] if begin - 0.5 <= (w["start"] + w["end"]) / 2 <= end + 0.5)
    return texts


def test_a_session_of_an_hour(stenod, weights, clips, tmp_path, capsys):
    seconds = 60 * MINUTES
    samples, places = arrange(clips, seconds)
    once, once_places = arrange(clips, 90)
    with Server(stenod, tmp_path, "--model", MODEL) as server:
        alone = session(server, [*cut(once, 8192), END], QUERY)
        begin_mb = server.rss_mb()
        with Watch(server) as watch:
            answers = session(server, [*cut(samples, 8192), END], QUERY, timeout_s=60 * MINUTES)
        took_s = answers.end["at"] - answers.began
        log = list(server.log)

    check_promises(answers, len(samples) // 2)
    assert answers.close_code == 1000 and answers.end["reason"] == "end"
    assert not [line for line in log if '"level":"error"' in line]

    # Complete: no more errors than in the same clips once, and no clip without its words, up to the last one.
    wrong_once = speech.word_error_rate(" ".join(text for _, _, text in once_places), alone.text)
    wrong = speech.word_error_rate(" ".join(text for _, _, text in places), answers.text)
    texts = by_clip(answers.finals, places)
    rates = [speech.word_error_rate(text, heard) for (_, _, text), heard in zip(places, texts)]
    moved_s = drift(answers.finals, places)
    lost = [(place, heard) for place, heard, rate in zip(places, texts, rates) if rate > 0.5]

    # The memory is flat from the first quarter on.
    quarter_mb, end_mb = watch.most(0, seconds / 4), watch.most(seconds * 3 / 4, seconds)
    with capsys.disabled():
        print(f"\n{MINUTES} minutes with {MODEL} in {took_s:.1f} s ({seconds / took_s:.1f} times real time): {len(places)} clips, "
              f"{len(answers.finals)} finals, word error rate {wrong:.3f} (once: {wrong_once:.3f}), {len(lost)} clips lost, worst "
              f"of the last ten {max(rates[-10:]):.2f}, the clock moved by {moved_s:.3f} s; memory {begin_mb:.0f} MB before, {quarter_mb:.0f} MB in the first quarter, "
              f"{end_mb:.0f} MB in the last")
    assert wrong <= wrong_once + 0.03
    assert len(lost) <= len(places) / 100, lost
    assert max(rates[-10:]) < 0.5, list(zip(places, texts))[-10:]
    assert answers.finals[-1]["end"] == pytest.approx(places[-1][1], abs=0.5)
    assert abs(moved_s) < 0.1
    starts = [word["start"] for final in answers.finals for word in final["words"]]
    assert starts == sorted(starts)
    assert end_mb <= quarter_mb + MAX_GROWTH_MB
    assert answers.end["full_transcript"].split() == answers.text.split()
    assert took_s < seconds / 2
