// What stenod-microphone.js runs on the audio thread: from the device's sample rate to 16 kHz, in messages of 100 ms.
// Also an ordinary module, so that the resampler can be imported and tested.

const ATTENUATION_DB = 90; // of what would alias
const PASS_BAND = 0.9; // of the lower rate's Nyquist frequency; the stop band starts at the whole of it

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const greatestCommonDivisor = (a, b) => (b ? greatestCommonDivisor(b, a % b) : a);

/**
 * Changes the sample rate of a mono signal that arrives in blocks of any length, by a Kaiser-windowed sinc, one filter
 * for each phase (Crochiere and Rabiner, Multirate Digital Signal Processing, 1983; window and length after Kaiser,
 * 1974). Phases are counted in whole numbers, so there is no drift: sample n of the output is the signal at the time
 * n / outputRate of the input. What is not yet in the output is half a filter, about 4 ms.
 */
export class Resampler {
  #step; // input samples per output sample: #step / #phases
  #phases;
  #taps;
  #filters; // [phase][tap]
  #held; // input that is still needed
  #numHeld;
  #index = 0; // in #held: the first sample under the filter of the next output
  #phase = 0;
  #output = new Float32Array(0);

  constructor(inputRate, outputRate) {
    if (!Number.isInteger(inputRate) || !Number.isInteger(outputRate) || inputRate < 1 || outputRate < 1) {
      throw new RangeError(`sample rates are positive whole numbers, not ${inputRate} and ${outputRate}`);
    }
    const divisor = greatestCommonDivisor(inputRate, outputRate);
    this.#step = inputRate / divisor;
    this.#phases = outputRate / divisor;

    // Frequencies in cycles per input sample.
    const nyquist = Math.min(inputRate, outputRate) / 2 / inputRate;
    const cutoff = ((1 + PASS_BAND) / 2) * nyquist;
    const beta = 0.1102 * (ATTENUATION_DB - 8.7);
    const half = Math.ceil((ATTENUATION_DB - 7.95) / (14.36 * (1 - PASS_BAND) * nyquist) / 2);
    this.#taps = 2 * half;
    this.#filters = new Float32Array(this.#phases * this.#taps);
    for (let phase = 0; phase < this.#phases; phase++) {
      const filter = new Float64Array(this.#taps);
      let sum = 0;
      for (let tap = 0; tap < this.#taps; tap++) {
        const t = tap - half + 1 - phase / this.#phases; // in input samples, from the output's time
        const x = 2 * Math.PI * cutoff * t;
        const window = besselI0(beta * Math.sqrt(Math.max(0, 1 - (t / half) ** 2)));
        filter[tap] = (x === 0 ? 1 : Math.sin(x) / x) * window;
        sum += filter[tap];
      }
      // Every phase has the same gain at 0 Hz; otherwise a constant would become a tone.
      for (let tap = 0; tap < this.#taps; tap++) this.#filters[phase * this.#taps + tap] = filter[tap] / sum;
    }
    this.#held = new Float32Array(this.#taps + 128);
    this.#numHeld = half - 1; // silence before the first sample
  }

  /** The output that `input` completes. It is overwritten by the next call. */
  process(input) {
    const needed = this.#numHeld + input.length;
    if (needed > this.#held.length) {
      const larger = new Float32Array(needed);
      larger.set(this.#held);
      this.#held = larger;
    }
    this.#held.set(input, this.#numHeld);
    this.#numHeld = needed;

    const most = Math.ceil((input.length * this.#phases) / this.#step) + 1;
    if (most > this.#output.length) this.#output = new Float32Array(most);
    const held = this.#held;
    const filters = this.#filters;
    const taps = this.#taps;
    let count = 0;
    while (this.#index + taps <= this.#numHeld) {
      const first = this.#phase * taps;
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += held[this.#index + tap] * filters[first + tap];
      this.#output[count++] = sum;
      this.#phase += this.#step;
      this.#index += Math.floor(this.#phase / this.#phases);
      this.#phase %= this.#phases;
    }

    const used = Math.min(this.#index, this.#numHeld);
    held.copyWithin(0, used, this.#numHeld);
    this.#numHeld -= used;
    this.#index -= used;
    return this.#output.subarray(0, count);
  }
}

if (globalThis.registerProcessor) {
  registerProcessor("stenod-microphone", class extends AudioWorkletProcessor {
    #resampler;
    #chunk;
    #filled = 0;
    #silence = new Float32Array(128);

    constructor({ processorOptions: { outputRate, chunkSamples } }) {
      super();
      this.#resampler = new Resampler(Math.round(sampleRate), outputRate);
      this.#chunk = new Float32Array(chunkSamples);
      this.port.onmessage = () => {
        // The only message asks for what there is, now.
        this.#post(this.#chunk.slice(0, this.#filled), true);
      };
    }

    process([[channel = this.#silence]]) {
      // A device that delivers nothing for a moment is silent: the clock goes on.
      let samples = this.#resampler.process(channel);
      while (samples.length > 0) {
        const taken = samples.subarray(0, this.#chunk.length - this.#filled);
        this.#chunk.set(taken, this.#filled);
        this.#filled += taken.length;
        samples = samples.subarray(taken.length);
        if (this.#filled === this.#chunk.length) this.#post(this.#chunk.slice());
      }
      return true;
    }

    #post(samples, isLast = false) {
      this.#filled = 0;
      this.port.postMessage({ samples, isLast }, [samples.buffer]);
    }
  });
}
