// A transcript as files: plain text, SubRip, WebVTT, JSON. The formats of docs/formats.md, except that long segments
// become several cues where the times of their words are known.

import { joinTexts, locateWords, paragraphs } from "./transcript.js";

const CUE_CHARACTERS = 84; // two lines of 42, as broadcasters do
const CUE_SECONDS = 7;

export const FORMATS = {
  txt: { label: "Text", type: "text/plain", write: writeText },
  srt: { label: "Subtitles, SRT", type: "application/x-subrip", write: writeSrt },
  vtt: { label: "Subtitles, WebVTT", type: "text/vtt", write: writeVtt },
  json: { label: "JSON with times", type: "application/json", write: writeJson },
};

/** "1:02:03.456"; hours where there are any. */
export function formatTime(seconds, { decimals = 0, mark = ".", padded = false } = {}) {
  const units = Math.round(Math.max(0, seconds) * 10 ** decimals);
  const whole = Math.floor(units / 10 ** decimals);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const head = hours || padded ? `${padded ? two(hours) : hours}:${two(minutes)}` : String(minutes);
  const fraction = decimals ? mark + String(units % 10 ** decimals).padStart(decimals, "0") : "";
  return `${head}:${two(whole % 60)}${fraction}`;
}

/** The paragraphs, with an empty line between them. */
export function writeText({ segments }) {
  const blocks = paragraphs(segments).map((paragraph) => (paragraph[0].lost ? lostText(paragraph[0]) : joinTexts(paragraph)));
  return blocks.join("\n\n") + (blocks.length > 0 ? "\n" : "");
}

export function writeSrt({ segments }) {
  const time = (seconds) => formatTime(seconds, { decimals: 3, mark: ",", padded: true });
  return cues(segments)
    .map(({ start, end, text }, i) => `${i + 1}\n${time(start)} --> ${time(end)}\n${text.replaceAll("-->", "->")}\n`)
    .join("\n");
}

export function writeVtt({ segments }) {
  const time = (seconds) => formatTime(seconds, { decimals: 3, padded: true });
  const escaped = (text) => text.replaceAll("-->", "->").replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const blocks = cues(segments).map(({ start, end, text }) => `${time(start)} --> ${time(end)}\n${escaped(text)}\n`);
  return ["WEBVTT\n", ...blocks].join("\n");
}

/** `result`: what a server answered for a file, and is passed on whole; otherwise it is put together. */
export function writeJson({ segments, language = null, duration, result }) {
  const spoken = segments.filter((segment) => !segment.lost);
  const lost = segments.filter((segment) => segment.lost).map(({ start, end }) => ({ start, end }));
  const object = result ?? {
    text: joinTexts(spoken),
    language,
    duration,
    segments: spoken.map(({ start, end, text, language, words, unconfirmed }) => ({ start, end, text, language, unconfirmed, words })),
    ...(lost.length > 0 && { lost }),
  };
  return JSON.stringify(object, null, 2) + "\n";
}

function lostText({ start, end }) {
  return `[${formatTime(start)} – ${formatTime(end)}: no connection, not transcribed]`;
}

function cues(segments) {
  return segments.filter((segment) => !segment.lost && segment.text.trim()).flatMap(cuesOf);
}

function cuesOf(segment) {
  const text = segment.text.trim();
  const isShort = text.length <= CUE_CHARACTERS && segment.end - segment.start <= CUE_SECONDS;
  if (isShort || !segment.words?.length) return [{ start: segment.start, end: segment.end, text: oneLine(text) }];
  const result = [];
  let cue = null;
  for (const { from, to, start, end } of locateWords(segment)) {
    const shown = cue && text.slice(cue.from, cue.to);
    const isFull =
      cue &&
      (to - cue.from > CUE_CHARACTERS ||
        end - cue.start > CUE_SECONDS ||
        (shown.length > CUE_CHARACTERS / 2 && /[.!?,;:。！？、，]$/.test(shown)));
    if (!cue || isFull) result.push((cue = { start, from: cue?.to ?? 0 }));
    cue.end = end;
    cue.to = to;
  }
  cue.to = text.length;
  return result.map(({ start, end, from, to }) => ({ start, end, text: oneLine(text.slice(from, to)) }));
}

function oneLine(text) {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}
