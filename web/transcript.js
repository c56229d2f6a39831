// What was said, and how it is put into paragraphs and words. No document, no network.

const PAUSE_S = 2.5; // a longer silence starts a paragraph
const LONG_PARAGRAPH = 480; // characters, after which the end of a sentence starts one

/**
 * A transcript is a list of segments in the order of time:
 *   {start, end, text, words?: [{word, start, end, probability}], language?, unconfirmed?}  settled text
 *   {start, end, lost: true}                                                                audio that nobody transcribed
 * Times are in seconds.
 */
export class Transcript {
  segments = [];
  #lengthOfParagraph = 0;

  get hasText() {
    return this.segments.some((segment) => !segment.lost);
  }

  /** Appends a segment. True: it starts a paragraph. */
  add(segment) {
    const starts = this.startsParagraph(segment);
    this.segments.push(segment);
    this.#lengthOfParagraph = (starts ? 0 : this.#lengthOfParagraph) + (segment.text?.length ?? 0);
    return starts;
  }

  /** Whether a segment would start a paragraph if it came next. */
  startsParagraph(segment) {
    const last = this.segments.at(-1);
    if (!last || last.lost || segment.lost) return true;
    if (segment.start - last.end > PAUSE_S) return true;
    return this.#lengthOfParagraph > LONG_PARAGRAPH && /[.!?。！？…]["'”’)]?\s*$/.test(last.text);
  }

  clear() {
    this.segments = [];
    this.#lengthOfParagraph = 0;
  }
}

/** The segments again, one list for each paragraph. */
export function paragraphs(segments) {
  const transcript = new Transcript();
  const result = [];
  for (const segment of segments) {
    if (transcript.add(segment)) result.push([]);
    result.at(-1).push(segment);
  }
  return result;
}

// Scripts that put no space between words, and their punctuation.
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\u3000-\u303f\uff00-\uffef]/u;

/** What stands between two pieces of text. */
export function separator(before, after) {
  return UNSPACED.test([...before].at(-1) ?? "") && UNSPACED.test([...after][0] ?? "") ? "" : " ";
}

/** All texts one behind the other. */
export function joinTexts(segments) {
  let text = "";
  for (const segment of segments) {
    const next = segment.text.trim();
    if (text && next) text += separator(text, next);
    text += next;
  }
  return text;
}

/**
 * Where the words stand in a segment's stripped text: [{from, to, start, end, probability?}]. Without times of words
 * each has those of the segment.
 */
export function locateWords(segment) {
  const text = segment.text.trim();
  const located = [];
  let at = 0;
  for (const { word, start, end, probability } of segment.words ?? []) {
    const from = text.indexOf(word.trim(), at);
    if (from < 0 || !word.trim()) continue;
    at = from + word.trim().length;
    located.push({ from, to: at, start, end, probability });
  }
  if (located.length > 0) return located;
  return [...text.matchAll(/\S+/g)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    start: segment.start,
    end: segment.end,
  }));
}
