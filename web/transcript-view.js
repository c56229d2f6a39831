// A transcript on the page. It only ever appends: what was written is not touched again, so that a message costs the
// same after hours as at the start; the style sheet lets the browser skip what is out of sight. Words are no elements of
// their own: which one was clicked comes from the position in the text.

import { formatTime } from "./formats.js";
import { locateWords, separator, Transcript } from "./transcript.js";

const NEAR_THE_END_PX = 120;

export class TranscriptView {
  transcript = new Transcript();
  #root;
  #log;
  #chip;
  #highlight;
  #spoken; // for screen readers: the word under the cursor
  #pieces = []; // [i] is the element of segment i
  #paragraph = null; // the last one's <p>
  #partial;
  #stable = document.createTextNode("");
  #tail;
  #cursor = null; // {segment, word}
  #follows = true;
  onFollow = () => {}; // (boolean): whether the newest text is kept in sight

  /** @param {HTMLElement} root holds elements of the classes log, time-chip, word-highlight and spoken */
  constructor(root) {
    this.#root = root;
    this.#log = root.querySelector(".log");
    this.#chip = root.querySelector(".time-chip");
    this.#highlight = root.querySelector(".word-highlight");
    this.#spoken = root.querySelector(".spoken");

    this.#partial = document.createElement("span");
    this.#partial.className = "partial";
    this.#partial.ariaHidden = "true"; // changes all the time; a screen reader gets the finals
    const stable = document.createElement("span");
    stable.className = "stable";
    stable.append(this.#stable);
    this.#tail = document.createElement("span");
    this.#tail.className = "tail";
    this.#partial.append(stable, this.#tail);

    this.#log.addEventListener("click", (event) => this.#onClick(event));
    this.#log.addEventListener("keydown", (event) => this.#onKey(event));
    this.#log.addEventListener("blur", () => this.#select(null));
    addEventListener("resize", () => this.#select(null));
    addEventListener("scroll", () => this.#setFollows(isNearTheEnd()), { passive: true });
  }

  /** Appends a segment, as described in transcript.js; settled text takes the place of the partial. */
  append(segment) {
    this.#partial.remove();
    const starts = this.transcript.startsParagraph(segment);
    const last = this.transcript.segments.at(-1);
    this.transcript.add(segment);
    if (starts) this.#startParagraph(segment);
    const piece = document.createElement("span");
    piece.dataset.segment = String(this.#pieces.length);
    piece.textContent = segment.lost ? lostText(segment) : segment.text.trim();
    if (segment.lost) this.#paragraph.parentElement.classList.add("lost");
    if (segment.unconfirmed) piece.className = "unconfirmed";
    if (!starts) this.#paragraph.append(separator(last.text.trim(), segment.text.trim()));
    this.#paragraph.append(piece);
    this.#pieces.push(piece);
    this.#changed();
  }

  /** Shows text that is not settled yet. `stable` is a prefix of `text` that will not change. */
  setPartial({ text, stable = "", start, end }) {
    const before = this.transcript.segments.at(-1);
    if (this.transcript.startsParagraph({ text, start, end })) {
      if (!this.#partial.isConnected || this.#pieces.at(-1)?.parentElement === this.#paragraph) {
        this.#removePartial();
        this.#startParagraph({ start });
        this.#paragraph.append(this.#partial);
      }
    } else if (this.#partial.parentElement !== this.#paragraph) {
      this.#paragraph.append(this.#partial);
    }
    const shown = text.trim();
    const numStable = shown.startsWith(stable.trim()) ? stable.trim().length : 0;
    const space = this.#paragraph.firstChild === this.#partial ? "" : separator(before.text.trim(), shown);
    this.#stable.data = space + shown.slice(0, numStable);
    this.#tail.textContent = shown.slice(numStable);
    this.#changed();
  }

  /** Takes the unsettled text away. */
  clearPartial() {
    this.#removePartial();
    this.#changed();
  }

  clear() {
    this.transcript.clear();
    this.#pieces = [];
    this.#paragraph = null;
    this.#log.replaceChildren();
    this.#partial.remove();
    this.#select(null);
    this.#setFollows(true);
    this.#changed();
  }

  /** Brings the newest text into sight, and keeps it there. */
  follow() {
    this.#setFollows(true);
    scrollTo({ top: document.documentElement.scrollHeight });
  }

  #removePartial() {
    this.#partial.remove();
    if (this.#paragraph && !this.#paragraph.firstChild) {
      this.#paragraph.parentElement.remove();
      this.#paragraph = this.#pieces.at(-1)?.parentElement ?? null;
    }
  }

  #startParagraph({ start }) {
    if (this.#paragraph && !this.#paragraph.firstChild) {
      // Made for the partial that this settles.
      this.#paragraph.previousElementSibling.textContent = formatTime(start);
      return;
    }
    const block = document.createElement("div");
    block.className = "paragraph";
    const stamp = document.createElement("span");
    stamp.className = "stamp";
    stamp.ariaHidden = "true";
    stamp.textContent = formatTime(start);
    this.#paragraph = document.createElement("p");
    this.#paragraph.dir = "auto";
    block.append(stamp, this.#paragraph);
    this.#log.append(block);
  }

  #changed() {
    this.#root.classList.toggle("empty", !this.#log.firstChild);
    if (this.#follows && !this.#root.closest("[hidden]")) scrollTo({ top: document.documentElement.scrollHeight });
  }

  #setFollows(follows) {
    if (this.#root.closest("[hidden]") || follows === this.#follows) return;
    this.#follows = follows;
    this.onFollow(follows);
  }

  // The word under the cursor

  #onClick(event) {
    if (!getSelection().isCollapsed) return;
    const at = caretAt(event.clientX, event.clientY);
    const piece = at?.node.parentElement?.closest("[data-segment]");
    if (!piece || !this.#log.contains(piece)) {
      this.#select(null);
      return;
    }
    const segment = Number(piece.dataset.segment);
    const words = this.#wordsOf(segment);
    const word = words.findIndex(({ to }) => at.offset <= to);
    this.#select(words.length > 0 ? { segment, word: word < 0 ? words.length - 1 : word } : null);
  }

  #onKey(event) {
    const move = {
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      Home: "first",
      End: "last",
      Escape: "none",
    }[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || this.#pieces.length === 0) return;
    event.preventDefault();
    if (move === "none") this.#select(null);
    else if (move === "first") this.#moveTo(0, 0, 1);
    else if (move === "last" || !this.#cursor) this.#moveTo(this.#pieces.length - 1, Infinity, -1);
    else if (move[0]) this.#moveTo(this.#cursor.segment + move[0], 0, move[0]);
    else this.#moveBy(move[1]);
    const box = this.#cursor && this.#rangeOf(this.#cursor)?.getBoundingClientRect();
    if (box && (box.top < 80 || box.bottom > innerHeight - 180)) {
      this.#pieces[this.#cursor.segment].scrollIntoView({ block: "center" });
    }
  }

  #moveBy(step) {
    const { segment, word } = this.#cursor;
    const next = word + step;
    if (next < 0) this.#moveTo(segment - 1, Infinity, -1);
    else if (next >= this.#wordsOf(segment).length) this.#moveTo(segment + 1, 0, 1);
    else this.#moveTo(segment, next, step);
  }

  /** To that word, or in `direction` to the next segment that has any. */
  #moveTo(segment, word, direction) {
    for (; segment >= 0 && segment < this.#pieces.length; segment += direction) {
      const { length } = this.#wordsOf(segment);
      if (length > 0) return this.#select({ segment, word: Math.min(word, length - 1) });
    }
  }

  #wordsOf(segment) {
    const found = this.transcript.segments[segment];
    return found.lost ? [] : locateWords(found);
  }

  #rangeOf({ segment, word }) {
    const { from, to } = this.#wordsOf(segment)[word];
    const range = document.createRange();
    const text = this.#pieces[segment].firstChild;
    range.setStart(text, from);
    range.setEnd(text, to);
    return range;
  }

  #select(cursor) {
    this.#cursor = cursor;
    this.#chip.hidden = this.#highlight.hidden = !cursor;
    if (!cursor) return;
    const { start, end, probability } = this.#wordsOf(cursor.segment)[cursor.word];
    const range = this.#rangeOf(cursor);
    const box = range.getClientRects()[0];
    const root = this.#root.getBoundingClientRect();
    const time = { decimals: 2 };
    const sure = probability === undefined ? "" : ` · ${Math.round(probability * 100)} %`;
    this.#chip.textContent = `${formatTime(start, time)} – ${formatTime(end, time)}${sure}`;
    this.#spoken.textContent = `${range}: ${formatTime(start, { decimals: 1 })}`;
    place(this.#highlight, { left: box.left - root.left, top: box.top - root.top, width: box.width, height: box.height });
    const middle = box.left - root.left + box.width / 2;
    const half = this.#chip.offsetWidth / 2;
    const left = Math.max(half, Math.min(root.width - half, middle));
    place(this.#chip, { left, top: box.top - root.top });
  }
}

function lostText({ start, end }) {
  return `${Math.max(1, Math.round(end - start))} s without a connection, not transcribed`;
}

function place(element, box) {
  for (const [name, value] of Object.entries(box)) element.style.setProperty(name, `${value}px`);
}

function caretAt(x, y) {
  if (document.caretPositionFromPoint) {
    const position = document.caretPositionFromPoint(x, y);
    return position && { node: position.offsetNode, offset: position.offset };
  }
  const range = document.caretRangeFromPoint(x, y);
  return range && { node: range.startContainer, offset: range.startOffset };
}

function isNearTheEnd() {
  return document.documentElement.scrollHeight - innerHeight - scrollY < NEAR_THE_END_PX;
}
