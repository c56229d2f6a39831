"""The peer's side of a measurement, one process each: faster-whisper over a list of files.

Reads a job as JSON from standard input: {"model": folder, "compute_type", "threads", "batch": 0 for one file after the
other, else windows at once, "beam", "words": bool, "repeat": times, "files": [{"id", "path", "language"}]}.
Writes {"wall_s": without loading, "audio_s", "files": [{"id", "text", "language", "wall_s", "words"?}]}.
"""
import json
import sys
import time

from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import decode_audio


def main():
    job = json.load(sys.stdin)
    model = WhisperModel(job["model"], device="cpu", compute_type=job["compute_type"], cpu_threads=job["threads"])
    if job["batch"]:
        engine, how = BatchedInferencePipeline(model), {"batch_size": job["batch"]}
    else:
        engine, how = model, {"condition_on_previous_text": False}
    answer = {"wall_s": 0.0, "audio_s": 0.0, "files": []}
    for file in job["files"] * job["repeat"]:
        language = None if file["language"] == "auto" else file["language"]
        if not model.model.is_multilingual:
            language = "en"
        started = time.perf_counter()
        audio = decode_audio(file["path"])
        segments, info = engine.transcribe(audio, language=language, beam_size=job["beam"], vad_filter=True,
                                           word_timestamps=job["words"], **how)
        segments = list(segments)
        wall = time.perf_counter() - started
        answer["wall_s"] += wall
        answer["audio_s"] += len(audio) / 16000
        row = {"id": file["id"], "text": " ".join(s.text.strip() for s in segments), "language": info.language, "wall_s": wall}
        if job["words"]:
            row["words"] = [[w.word, w.start, w.end] for s in segments for w in s.words]
        answer["files"].append(row)
    json.dump(answer, sys.stdout)


main()
