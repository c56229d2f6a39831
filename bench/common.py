"""What the programs of this folder share: their Python environment, the recordings, and runs of stenod and of the peer."""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SPEECH = ROOT.parent / "shared" / "speech"
SCORE = ROOT.parent / "shared" / "measure" / "score.py"
VENV = ROOT / ".cache" / "bench-venv"
REQUIREMENTS = ROOT / "bench" / "requirements.txt"

AVX2_ONLY = {"CT2_FORCE_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def enter_environment():
    """Starts the calling program again in the benchmarks' own environment, which is made when it is not there."""
    note = VENV / "requirements.txt"
    if not note.exists() or note.read_text() != REQUIREMENTS.read_text():
        print("making the environment of the benchmarks in .cache/bench-venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run([VENV / "bin/python", "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS], check=True)
        note.write_text(REQUIREMENTS.read_text())
    if pathlib.Path(sys.prefix).resolve() != VENV.resolve():
        python = str(VENV / "bin/python")
        os.execv(python, [python, *sys.argv])


@dataclasses.dataclass
class Recording:
    id: str
    path: str
    language: str  # or "auto"
    kind: str
    seconds: float
    text: str = ""


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def seconds_of(path):
    shown = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path],
                           check=True, capture_output=True, text=True)
    return float(shown.stdout)


def repeat(path, seconds, target):
    """`path` again and again up to `seconds`, as FLAC."""
    if not target.exists():
        ffmpeg("-stream_loop", -1, "-i", path, "-t", seconds, "-ac", 1, "-ar", 16000, target)
    return target


def recordings(work):
    """The speech beside this checkout when it is there, else speech of Debian packages (prompts, a reader)."""
    if (SPEECH / "manifest.jsonl").exists():
        rows = map(json.loads, (SPEECH / "manifest.jsonl").read_text().splitlines())
        return [Recording(r["id"], str(SPEECH / r["audio"]), r["language"].replace("zxx", "auto"), r["kind"],
                          r["duration_s"], r["text"] or "") for r in rows]
    prompts = pathlib.Path("/usr/share/asterisk/sounds/en_US_f_Allison")
    reader = pathlib.Path("/usr/share/pocketsphinx/test/data/librivox")
    short = [Recording(p.stem, str(p), "en", "read", seconds_of(p)) for p in
             sorted(reader.glob("*.wav")) + sorted(prompts.glob("*.wav"), key=lambda p: -p.stat().st_size)[:60]]
    if len(short) < 60:
        sys.exit("no speech found: install the packages asterisk-core-sounds-en-wav and pocketsphinx-testdata")
    long = work / "long.flac"
    parts = [argument for r in short for argument in ("-i", r.path)]
    chain = "".join(f"[{i}:a]aresample=16000[a{i}];" for i in range(len(short)))
    names = "".join(f"[a{i}]" for i in range(len(short)))
    ffmpeg(*parts, "-filter_complex", f"{chain}{names}concat=n={len(short)}:v=0:a=1", "-ac", 1, long)
    return short + [Recording("long", str(long), "en", "long", seconds_of(long))]


@dataclasses.dataclass
class Run:
    wall_s: float  # of the whole process
    peak_rss_mb: float
    output: str


def run(command, *, given="", environment=None):
    """Runs a program to its end; its messages are shown only when it fails."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source.write(given.encode())
        source.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen([*map(str, command)], stdin=source, stdout=out, stderr=err,
                                   env=os.environ | (environment or {}))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode not in (0, 1):  # 1: a file failed, which its line says
            sys.exit(f"{command[0]} ended with {process.returncode}:\n{err.read().decode()[-3000:]}")
        return Run(wall, usage.ru_maxrss / 1024, out.read().decode())


def peer(job, environment=None):
    """Runs peer.py with a job (described there); returns its answer, with the process' wall time and memory."""
    done = run([sys.executable, ROOT / "bench" / "peer.py"], given=json.dumps(job), environment=environment)
    return json.loads(done.output) | {"process_s": done.wall_s, "peak_rss_mb": done.peak_rss_mb}
