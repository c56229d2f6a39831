// The microphone on its way to text: what the buttons do, and what the page shows of it.

import { describe } from "./failures.js";
import { formatTime } from "./formats.js";
import { Meter } from "./meter.js";
import { hideNotice, icon, showNotice } from "./notices.js";
import { listDevices, openSettings } from "./settings.js";
import { Microphone, StenodClient, StenodError } from "./stenod.js";
import { TranscriptView } from "./transcript-view.js";

const SILENT_RMS = 1e-4; // -80 dB: no microphone that is on is so quiet
const SILENT_S = 6;
const LATE_SHOWN_MS = 6000;
const SLOW_S = 3;
const WITHDRAWN_S = 8; // a partial that nothing followed for so long was no speech

// What the status says in each state, the main button with its icon (none: it waits), and the other button.
const STATES = {
  idle: { status: "Ready", main: "Start", icon: "mic" },
  starting: { status: "Starting", main: "Starting", stop: "Cancel" },
  listening: { status: "Listening", main: "Pause", icon: "pause", stop: "Stop" },
  reconnecting: { status: "Reconnecting", main: "Pause", icon: "pause", stop: "Stop" },
  pausing: { status: "Settling the last words", main: "Pausing", stop: "Don’t wait" },
  paused: { status: "Paused", main: "Resume", icon: "mic", stop: "Stop" },
  finishing: { status: "Settling the last words", main: "Finishing", stop: "Don’t wait" },
};

export class LivePanel {
  view = new TranscriptView(document.querySelector("#live"));
  language = null; // of the last text
  state = "idle";
  onChange = () => {};
  #settings;
  #client = this.#newClient();
  #microphone = null;
  #partial = null; // what is on the screen and not settled
  #meter = new Meter(document.querySelector("#meter"));
  #heardAt = 0; // when audio came last
  #lateAt = 0; // when text came last
  #silentSince = null;
  #wakeLock = null;
  #main = document.querySelector("#start");
  #stop = document.querySelector("#stop");
  #clock = document.querySelector("#clock");
  #late = document.querySelector("#late");

  constructor(settings) {
    this.#settings = settings;
    this.#main.addEventListener("click", () => this.#onMain());
    this.#stop.addEventListener("click", () => this.#onStop());
    document.addEventListener("visibilitychange", () => {
      this.#keepAwake();
      // Phones stop the sound of pages that are out of sight.
      if (document.visibilityState === "visible" && this.state === "listening") this.#microphone?.resume();
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => listDevices(settings));

    this.#setState("idle");
    setInterval(() => this.#tick(), 250);
  }

  get duration() {
    return Math.round(this.#client.time * 1000) / 1000;
  }

  /** An empty page, and a clock at 0. */
  clear() {
    this.view.clear();
    this.#partial = null;
    if (this.state === "idle") this.#client = this.#newClient();
    this.onChange();
  }

  #newClient() {
    const client = new StenodClient();
    const on = (type, listener) => client.addEventListener(type, ({ detail }) => listener(detail));
    on("ready", () => {
      hideNotice("connection");
      if (this.state === "reconnecting") this.#setState("listening");
    });
    on("partial", (partial) => {
      this.#partial = partial.text.trim() ? { ...partial, heard: this.#client.time } : null;
      if (this.#partial) this.view.setPartial(partial);
      else this.view.clearPartial();
      this.#showLate(partial.end);
    });
    on("final", (final) => this.#onFinal(final));
    on("end", () => this.#dropPartial());
    on("lost", (lost) => {
      if (this.#partial?.start < lost.end) this.#keepPartial(); // the rest is heard again
      this.view.append({ ...lost, lost: true });
      this.onChange();
    });
    on("warning", ({ code, message }) => {
      // A session that ends is followed by the next one without a word.
      if (code !== "session_limit" && code !== "shutting_down") showNotice("warning", { kind: "info", title: message });
    });
    on("error", (error) => showNotice("warning", { kind: "info", ...describe(error, this.#context) }));
    on("reconnecting", (detail) => this.#onReconnecting(detail));
    on("close", ({ error }) => this.#onClose(error));
    return client;
  }

  // Buttons

  #onMain() {
    if (this.state === "idle") this.#start();
    else if (this.state === "paused") this.#resume();
    else if (this.state === "listening" || this.state === "reconnecting") this.#pause();
  }

  #onStop() {
    if (this.state === "starting") this.#cancel();
    else if (this.state === "pausing" || this.state === "finishing") this.#client.close();
    else this.#finish();
  }

  async #start() {
    this.#setState("starting");
    for (const name of ["live", "warning", "silent"]) hideNotice(name);
    const microphone = new Microphone(this.#settings.microphone);
    this.#microphone = microphone;
    microphone.addEventListener("audio", ({ detail }) => {
      this.#heardAt = performance.now();
      this.#client.sendAudio(detail);
    });
    microphone.addEventListener("level", ({ detail }) => this.#onLevel(detail));
    microphone.addEventListener("muted", ({ detail }) => this.#onMuted(detail));
    microphone.addEventListener("ended", () => {
      this.#fail(new StenodError("microphone_lost", "The microphone is gone."));
      this.#finish();
    });
    try {
      await microphone.start();
      listDevices(this.#settings);
      await this.#connect(microphone);
    } catch (error) {
      if (this.#microphone !== microphone) return; // cancelled meanwhile
      if (await this.#release()) this.#setState("idle");
      this.#fail(error);
    }
  }

  async #resume() {
    this.#setState("starting");
    hideNotice("live");
    const microphone = this.#microphone;
    try {
      await microphone.resume();
      await this.#connect(microphone);
    } catch (error) {
      if (this.#microphone === microphone) await microphone.pause();
      if (this.#microphone !== microphone) return; // cancelled meanwhile
      this.#setState("paused");
      this.#fail(error);
    }
  }

  async #connect(microphone) {
    if (this.#microphone !== microphone) return;
    await this.#client.connect({ key: this.#settings.key, settings: this.#settings.session });
    if (this.#microphone === microphone) this.#setState("listening");
  }

  /** Ends the session but keeps the microphone, so that a pause holds no place on the server. */
  async #pause() {
    this.#setState("pausing");
    await this.#microphone.pause();
    await this.#client.end().catch(() => {}); // onClose tells
    if (this.state === "pausing") this.#setState("paused");
  }

  async #finish() {
    this.#setState("finishing");
    if (!(await this.#release())) return;
    await this.#client.end().catch(() => {});
    if (this.state === "finishing") this.#setState("idle");
  }

  async #cancel() {
    this.#client.close();
    if (await this.#release()) this.#setState("idle");
  }

  /** Gives the microphone back. False: meanwhile there is another. */
  async #release() {
    const microphone = this.#microphone;
    this.#microphone = null;
    await microphone?.stop();
    if (this.#microphone) return false;
    this.#meter.clear();
    for (const name of ["silent", "muted"]) hideNotice(name);
    return true;
  }

  // What comes from the server

  #onFinal({ start, end, text, words, language }) {
    this.#partial = null;
    if (text.trim()) {
      this.view.append({ start, end, text, words, language });
      if (language) this.language = language;
    } else {
      this.view.clearPartial();
    }
    this.#showLate(end);
    this.onChange();
  }

  #onReconnecting({ attempt, error }) {
    if (this.state === "listening") this.#setState("reconnecting");
    if (attempt === 0) return; // a session follows the other at once
    const recording = this.state === "reconnecting";
    showNotice("connection", {
      kind: "wait",
      title: error.status === 503 || error.code === "overloaded" ? "The server is busy" : "Connection lost",
      text: recording
        ? "Still recording: the last half minute is kept and sent as soon as the server is back."
        : "The last words are sent as soon as the server is back.",
      actions: [{ label: "Try now", run: () => this.#client.retryNow() }],
    });
  }

  async #onClose(error) {
    hideNotice("connection");
    this.#keepPartial();
    if (!error) return; // asked for
    const wasPausing = this.state === "pausing";
    this.#fail(error);
    if (wasPausing) return;
    if (await this.#release()) this.#setState("idle");
  }

  /** What is on the screen stays there, marked as not settled by the server. */
  #keepPartial() {
    if (!this.#partial) return;
    const { start, end, text } = this.#partial;
    this.#partial = null;
    this.view.append({ start, end, text, unconfirmed: true });
    this.onChange();
  }

  #dropPartial() {
    this.#partial = null;
    this.view.clearPartial();
  }

  // What the page shows

  get #context() {
    return { hasKey: this.#settings.key !== "" };
  }

  #fail(error) {
    if (error.code === "closed") return;
    const { title, text, action } = describe(error, this.#context);
    const keyProblem = error.status === 401 ? `${title}.` : "";
    const actions = {
      retry: [{ label: "Try again", run: () => this.#retry() }],
      settings: [{ label: "Settings", run: () => openSettings(keyProblem) }],
    };
    showNotice("live", { title, text, actions: actions[action] ?? [] });
    if (keyProblem) openSettings(keyProblem);
  }

  #retry() {
    hideNotice("live");
    if (this.state === "idle" || this.state === "paused") this.#onMain();
  }

  #onLevel({ rms }) {
    this.#meter.push(rms);
    const now = performance.now();
    if (rms > SILENT_RMS) {
      if (this.#silentSince !== null) hideNotice("silent");
      this.#silentSince = null;
    } else if (this.#silentSince === null) {
      this.#silentSince = { at: now, told: false };
    } else if (!this.#silentSince.told && now - this.#silentSince.at > SILENT_S * 1000) {
      this.#silentSince.told = true;
      showNotice("silent", {
        kind: "info",
        title: "No sound comes in",
        text: "Perhaps the microphone is muted by a switch, or another one is meant: see the settings.",
      });
    }
  }

  #onMuted(muted) {
    if (!muted) hideNotice("muted");
    else showNotice("muted", { kind: "info", title: "The system has muted the microphone" });
  }

  /** `end`: up to where on the clock the new text goes. */
  #showLate(end) {
    if (this.state !== "listening") return;
    const now = performance.now();
    this.#lateAt = now;
    const late = Math.max(0, this.#client.time + (now - this.#heardAt) / 1000 - end);
    this.#late.textContent = `${late.toFixed(1)} s behind`;
    this.#late.classList.toggle("slow", late > SLOW_S);
  }

  #tick() {
    const { time } = this.#client;
    if (this.state === "listening" && this.#partial && time - this.#partial.heard > WITHDRAWN_S) this.#dropPartial();
    const clock = formatTime(time);
    if (this.#clock.textContent !== clock) this.#clock.textContent = clock;
    if (this.state === "reconnecting") this.#late.textContent = `${Math.round(this.#client.waiting)} s waiting`;
    else if (performance.now() - this.#lateAt > LATE_SHOWN_MS) this.#late.textContent = "";
  }

  #setState(state) {
    this.state = state;
    const { status, main, icon: iconName, stop } = STATES[state];
    document.body.dataset.state = state;
    document.querySelector("#status-text").textContent = status;
    document.title = state === "listening" ? "● stenod" : "stenod";
    const label = state === "idle" && this.view.transcript.segments.length > 0 ? "Continue" : main;
    this.#main.querySelector(".label").textContent = label;
    this.#main.ariaDisabled = String(!iconName); // and not disabled, which would lose the focus
    this.#main.querySelector("svg").replaceWith(icon(iconName ?? "mic"));
    if (!stop && document.activeElement === this.#stop) this.#main.focus();
    this.#stop.hidden = !stop;
    this.#stop.querySelector(".label").textContent = stop ?? "Stop";
    this.#silentSince = null;
    this.#keepAwake();
    this.onChange();
  }

  /** A phone that falls asleep records nothing. */
  async #keepAwake() {
    const wanted = ["listening", "reconnecting"].includes(this.state) && document.visibilityState === "visible";
    try {
      if (wanted && (this.#wakeLock?.released ?? true)) this.#wakeLock = await navigator.wakeLock?.request("screen");
      if (!wanted) await this.#wakeLock?.release();
    } catch {
      // Not allowed, as with an empty battery.
    }
  }
}
