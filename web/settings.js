// What the user chose, kept on this device; the access key only for this tab, unless asked otherwise.

const STORE = "stenod.settings";
const KEY = "stenod.key";

const DEFAULTS = {
  language: "auto",
  task: "transcribe",
  deviceId: "",
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  silence_ms: 0, // the server's choice, as the next
  vad_threshold: 0,
};

export class Settings {
  #values = { ...DEFAULTS };
  #key = "";
  #remembersKey = false;

  constructor() {
    try {
      const stored = JSON.parse(localStorage.getItem(STORE)) ?? {};
      for (const [name, value] of Object.entries(stored)) {
        if (typeof value === typeof DEFAULTS[name]) this.#values[name] = value;
      }
      this.#remembersKey = localStorage.getItem(KEY) !== null;
      this.#key = localStorage.getItem(KEY) ?? sessionStorage.getItem(KEY) ?? "";
    } catch {
      // Storage is switched off or damaged: the defaults hold, for this page alone.
    }
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    this.#values[name] = value;
    this.#store(() => localStorage.setItem(STORE, JSON.stringify(this.#values)));
  }

  get key() {
    return this.#key;
  }

  get remembersKey() {
    return this.#remembersKey;
  }

  setKey(key, remember) {
    this.#key = key;
    this.#remembersKey = remember;
    this.#store(() => {
      localStorage.removeItem(KEY);
      sessionStorage.removeItem(KEY);
      if (key) (remember ? localStorage : sessionStorage).setItem(KEY, key);
    });
  }

  /** For the protocol's `start`. */
  get session() {
    const { language, task, silence_ms, vad_threshold } = this.#values;
    return {
      language,
      task,
      words: true,
      full_transcript: false,
      ...(silence_ms && { silence_ms }),
      ...(vad_threshold && { vad_threshold }),
    };
  }

  /** For Microphone. */
  get microphone() {
    const { deviceId, echoCancellation, noiseSuppression, autoGainControl } = this.#values;
    return { deviceId, echoCancellation, noiseSuppression, autoGainControl };
  }

  #store(write) {
    try {
      write();
    } catch {
      // As above.
    }
  }
}

/** The dialog, and the two choices in the dock. Calls `changed` after each change. */
export function wireSettings(settings, changed) {
  const dialog = document.querySelector("#settings");
  const key = document.querySelector("#key");
  const remember = document.querySelector("#remember");
  const showKey = document.querySelector("#show-key");

  document.querySelector("#open-settings").addEventListener("click", () => openSettings());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });

  key.value = settings.key;
  remember.checked = settings.remembersKey;
  const storeKey = () => {
    settings.setKey(key.value.trim(), remember.checked);
    document.querySelector("#key-problem").textContent = "";
    changed();
  };
  key.addEventListener("input", storeKey);
  remember.addEventListener("change", storeKey);
  showKey.addEventListener("click", () => {
    const shown = key.type === "password";
    key.type = shown ? "text" : "password";
    showKey.ariaPressed = String(shown);
  });

  const outputs = {
    silence_ms: (ms) => (ms ? `${(ms / 1000).toFixed(2)} s` : "server’s choice"),
    vad_threshold: (probability) => (probability ? `${Math.round(probability * 100)} %` : "server’s choice"),
  };
  const controls = [...document.querySelectorAll("#settings [name]:not(#key), #language, #task")];
  for (const control of controls) {
    const name = control.name || control.id;
    const show = () => {
      const format = outputs[name];
      if (format) document.querySelector(`output[for="${control.id}"]`).value = format(settings.get(name));
    };
    if (control.type === "checkbox") control.checked = settings.get(name);
    else if (settings.get(name)) control.value = settings.get(name);
    show();
    control.addEventListener("input", () => {
      const value = { checkbox: control.checked, range: Number(control.value) }[control.type] ?? control.value;
      settings.set(name, value);
      show();
      changed();
    });
    document.querySelector("#reset-listening").addEventListener("click", () => {
      if (control.type !== "range") return;
      control.value = control.defaultValue;
      settings.set(name, 0);
      show();
      changed();
    });
  }
}

/** @param {string} [problem] with the access key, which is then where to begin */
export function openSettings(problem = "") {
  const dialog = document.querySelector("#settings");
  if (!dialog.open) dialog.showModal();
  document.querySelector("#key-problem").textContent = problem;
  if (problem) document.querySelector("#key").focus();
}

/** Lists the microphones; browsers name them once the permission is given. */
export async function listDevices(settings) {
  const select = document.querySelector("#device");
  const devices = await (navigator.mediaDevices?.enumerateDevices() ?? []);
  const named = devices.filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId !== "default" && label);
  if (named.length === 0) return;
  select.replaceChildren(select.options[0], ...named.map(({ deviceId, label }) => new Option(label, deviceId)));
  select.value = settings.get("deviceId");
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}
