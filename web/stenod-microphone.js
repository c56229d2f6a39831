// The microphone, as the server wants its sound. Part of stenod.js.

import { StenodError } from "./stenod-errors.js";

/** Samples a second of everything that goes to the server. */
export const SAMPLE_RATE = 16000;

/**
 * The microphone as mono samples at SAMPLE_RATE. Events: `audio` (detail: Float32Array of 100 ms), `level` (detail:
 * {rms, peak} of those samples, 1 is the loudest), `muted` (detail: boolean, by the system or a switch of the device),
 * `ended` (the device is gone).
 */
export class Microphone extends EventTarget {
  #options;
  #stream = null;
  #context = null;
  #node = null;

  /**
   * @param {object} [options]
   * @param {string} [options.deviceId] default: the system's choice
   * @param {boolean} [options.echoCancellation] default true; as are the next two
   * @param {boolean} [options.noiseSuppression]
   * @param {boolean} [options.autoGainControl]
   */
  constructor(options = {}) {
    super();
    this.#options = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...options };
  }

  get label() {
    return this.#stream?.getAudioTracks()[0]?.label ?? "";
  }

  /** Asks for permission where that is needed. Rejects with a StenodError whose code begins with `microphone_`. */
  async start() {
    if (!globalThis.isSecureContext) {
      throw new StenodError("microphone_insecure", "Browsers give the microphone to pages over https alone.");
    }
    if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) {
      throw new StenodError("microphone_unsupported", "This browser cannot record sound in a page.");
    }
    const stopped = new StenodError("closed", "Stopped before the microphone was there.");
    // Before the first wait, while the press of a button still counts: otherwise Safari leaves it suspended.
    const context = (this.#context = new AudioContext({ latencyHint: "interactive" }));
    let stream = null;
    try {
      const { deviceId, ...switches } = this.#options;
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { ...switches, channelCount: 1, ...(deviceId && { deviceId }) },
      });
      await context.audioWorklet.addModule(new URL("stenod-worklet.js", import.meta.url)).catch(() => {
        throw new StenodError("unreachable", "A part of this page could not be loaded.", { retry: true });
      });
      if (this.#context === context) await this.#listen(stream);
      if (this.#context !== context) throw stopped;
    } catch (error) {
      for (const track of stream?.getTracks() ?? []) track.stop();
      if (this.#context !== context) throw stopped; // and perhaps started again, which is left alone
      await this.stop();
      throw error instanceof StenodError ? error : microphoneError(error);
    }
  }

  #listen(stream) {
    this.#stream = stream;
    const [track] = stream.getAudioTracks();
    track.onended = () => this.dispatchEvent(new CustomEvent("ended"));
    track.onmute = () => this.dispatchEvent(new CustomEvent("muted", { detail: true }));
    track.onunmute = () => this.dispatchEvent(new CustomEvent("muted", { detail: false }));

    this.#node = new AudioWorkletNode(this.#context, "stenod-microphone", {
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { outputRate: SAMPLE_RATE, chunkSamples: SAMPLE_RATE / 10 },
    });
    this.#node.port.onmessage = ({ data }) => this.#onSamples(data.samples);
    this.#context.createMediaStreamSource(stream).connect(this.#node);
    this.#node.connect(this.#context.destination); // silence: what is connected to nothing may not run
    return this.#context.resume();
  }

  /** Delivers nothing until resume(), but keeps the device. Resolves when the last `audio` was delivered. */
  async pause() {
    if (!this.#node) return;
    await this.#flush();
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = false;
    await this.#context?.suspend();
  }

  async resume() {
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = true;
    await this.#context?.resume();
  }

  /** Gives the device back. Resolves when the last `audio` was delivered. */
  async stop() {
    if (this.#node && this.#context.state === "running") await this.#flush();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    const context = this.#context;
    this.#stream = this.#node = this.#context = null;
    await context?.close();
  }

  /** What the audio thread holds of an unfinished message. */
  #flush() {
    const node = this.#node;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 250); // an interrupted device answers nothing
      node.port.onmessage = ({ data }) => {
        this.#onSamples(data.samples);
        if (!data.isLast) return;
        clearTimeout(timer);
        resolve();
      };
      node.port.postMessage("flush");
    });
  }

  #onSamples(samples) {
    if (samples.length === 0) return;
    let sum = 0;
    let peak = 0;
    for (const x of samples) {
      sum += x * x;
      peak = Math.max(peak, Math.abs(x));
    }
    this.dispatchEvent(new CustomEvent("level", { detail: { rms: Math.sqrt(sum / samples.length), peak } }));
    this.dispatchEvent(new CustomEvent("audio", { detail: samples }));
  }
}

function microphoneError(error) {
  const [code, message] = {
    NotAllowedError: ["microphone_denied", "The browser was not allowed to use the microphone."],
    SecurityError: ["microphone_denied", "The browser was not allowed to use the microphone."],
    NotFoundError: ["microphone_missing", "There is no microphone."],
    OverconstrainedError: ["microphone_missing", "The chosen microphone is not there."],
    NotReadableError: ["microphone_busy", "The microphone is in use by another program, or does not work."],
    AbortError: ["microphone_busy", "The microphone could not be started."],
  }[error.name] ?? ["microphone_failed", error.message];
  return new StenodError(code, message);
}
