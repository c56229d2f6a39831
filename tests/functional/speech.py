"""Speech with known text from Debian packages, what the tests make of it, and how they compare text."""
import array
import dataclasses
import pathlib
import re
import subprocess

RATE = 16000

LIBRIVOX = pathlib.Path("/usr/share/pocketsphinx/test/data/librivox")  # package pocketsphinx-testdata
PROMPTS = pathlib.Path("/usr/share/asterisk/sounds/en_US_f_Allison")  # package asterisk-core-sounds-en-wav

# The texts of the prompts stand in core-sounds-en.txt of package asterisk-core-sounds-en, among documentation that many
# images leave out; so those of the three used here are repeated.
PROMPT_TEXTS = {
    "demo-echotest": "You are about to enter an echo test. In this mode everything you say will be repeated back to you just"
    " as soon as it is received. The purpose of this test is to give you an audible sense of the latency between you and"
    " the machine that is running the echo test application. You may end the test by hanging up or by pressing the pound"
    " key.",
    "agent-alreadyon": "That agent is already logged on. Please enter your agent number followed by the pound key.",
    "auth-incorrect": "Password incorrect. Please enter your password followed by the pound key.",
}


@dataclasses.dataclass
class Clip:
    text: str
    samples: bytes  # signed 16 bit, mono, RATE

    @property
    def seconds(self):
        return len(self.samples) / 2 / RATE


def ffmpeg(*arguments, **options):
    return subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True,
                          timeout=300, **options)


def decode(path):
    return ffmpeg("-i", path, "-ac", 1, "-ar", RATE, "-f", "s16le", "-", stdout=subprocess.PIPE).stdout


def librivox_clips():
    """Five sentences by one reader, 3 to 7 s each."""
    clips = []
    for line in (LIBRIVOX / "transcription").read_text().splitlines():
        text, name = re.fullmatch(r"<s> (.*?) </s> \((.*)\)", line).groups()
        clips.append(Clip(text, decode(LIBRIVOX / f"{name}.wav")))
    return clips


def prompt_clips():
    """Three telephone prompts (8 kHz) by another speaker, 5 to 22 s each."""
    return [Clip(text, decode(PROMPTS / f"{name}.wav")) for name, text in PROMPT_TEXTS.items()]


def to_float(samples):
    """As float32, which live clients send."""
    return array.array("f", (value / 32768 for value in array.array("h", samples))).tobytes()


def silence(seconds):
    return bytes(2 * round(seconds * RATE))


def join(clips, pause_s=0.8):
    """The clips one after the other, with silence before, between and after."""
    gap = silence(pause_s)
    return Clip(" ".join(c.text for c in clips), gap + gap.join(c.samples for c in clips) + gap)


def write(path, samples, *encoding, before=(), channels=1):
    """Encodes samples into the format that the name and the ffmpeg options say; `before` are options of further inputs."""
    ffmpeg(*before, "-f", "s16le", "-ar", RATE, "-ac", channels, "-i", "-", *encoding, path, input=samples)
    return path


def interleave(left, right):
    """One stereo signal of two mono ones; the shorter is filled up with silence."""
    length = max(len(left), len(right))
    left, right = left.ljust(length, b"\0"), right.ljust(length, b"\0")
    return b"".join(left[i:i + 2] + right[i:i + 2] for i in range(0, length, 2))


def words(text):
    """Lower case, without punctuation; `Mr.` as it is spoken."""
    return re.sub(r"[^a-z' ]+", " ", text.lower().replace("mr.", "mister")).split()


def word_error_rate(reference, hypothesis):
    """Edit distance over words, divided by the reference's words."""
    reference, hypothesis = words(reference), words(hypothesis)
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != heard))
    return row[-1] / len(reference)
