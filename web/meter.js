// The microphone's level over the last seconds, as bars.

const NUM_BARS = 28;
const FLOOR_DB = -60;

export class Meter {
  #root;
  #bars;
  #levels = new Array(NUM_BARS).fill(0);
  #toldAt = 0;

  constructor(root) {
    this.#root = root;
    this.#bars = this.#levels.map(() => root.appendChild(document.createElement("i")));
    this.clear();
  }

  /** @param {number} rms of the last 100 ms; 1 is the loudest */
  push(rms) {
    const level = Math.max(0, 1 - (20 * Math.log10(rms + 1e-9)) / FLOOR_DB);
    this.#levels.push(Math.min(1, level));
    this.#levels.shift();
    this.#draw();
    const now = performance.now();
    if (now - this.#toldAt < 1000) return;
    this.#toldAt = now;
    this.#root.ariaValueNow = String(Math.round(level * 100));
  }

  clear() {
    this.#levels.fill(0);
    this.#root.ariaValueNow = "0";
    this.#draw();
  }

  #draw() {
    for (const [i, bar] of this.#bars.entries()) {
      bar.style.setProperty("transform", `scaleY(${(0.08 + 0.92 * this.#levels[i] ** 1.5).toFixed(3)})`);
    }
  }
}
