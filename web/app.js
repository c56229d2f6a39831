// The page: tabs, what is done with a transcript, files that are dropped. Its two halves are live-panel.js and
// file-panel.js.

import { FilePanel } from "./file-panel.js";
import { FORMATS } from "./formats.js";
import { LANGUAGES } from "./languages.js";
import { LivePanel } from "./live-panel.js";
import { icon, showNotice } from "./notices.js";
import { listDevices, Settings, wireSettings } from "./settings.js";

const find = (selector) => document.querySelector(selector);

find("#language").append(...LANGUAGES.map(({ code, name }) => new Option(name, code)));
const settings = new Settings();
wireSettings(settings, () => {});
listDevices(settings);

const panels = { live: new LivePanel(settings), file: new FilePanel(settings) };
let current = "live";
let savedAt = { live: 0, file: 0 }; // segments that were copied or saved

// Tabs

function show(name) {
  current = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.id === `tab-${name}`;
    tab.ariaSelected = String(selected);
    tab.tabIndex = selected ? 0 : -1;
    find(`#${tab.getAttribute("aria-controls")}`).hidden = !selected;
  }
  document.body.dataset.tab = name;
  update();
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => show(tab.id.replace("tab-", "")));
  tab.addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    show(current === "live" ? "file" : "live");
    find(`#tab-${current}`).focus();
  });
}

// What is done with a transcript

function update() {
  const panel = panels[current];
  const has = panel.view.transcript.hasText;
  find("#copy").disabled = !has;
  find("#save").inert = !has;
  find("#clear").disabled = panel.view.transcript.segments.length === 0 || panel.isBusy;
}

for (const [name, panel] of Object.entries(panels)) {
  panel.onChange = update;
  panel.view.onFollow = (follows) => {
    if (name === current) find("#follow").hidden = follows;
  };
}
find("#follow").addEventListener("click", () => panels[current].view.follow());

function contents(format) {
  const { view, language, duration, result } = panels[current];
  savedAt[current] = view.transcript.segments.length;
  return FORMATS[format].write({ segments: view.transcript.segments, language, duration, result });
}

function baseName() {
  if (current === "file") return panels.file.name.replace(/\.[^.]*$/, "") || "transcript";
  const now = new Date();
  const local = new Date(now - now.getTimezoneOffset() * 60_000).toISOString();
  return `transcript-${local.slice(0, 16).replace("T", "-").replace(":", "")}`;
}

find("#copy").addEventListener("click", async () => {
  const done = await copy(contents("txt"));
  announce(done ? "Copied" : "Copying is not allowed here");
  const glyph = find("#copy svg");
  if (!done || glyph.querySelector("[href='#icon-check']")) return;
  glyph.replaceWith(icon("check"));
  setTimeout(() => find("#copy svg").replaceWith(icon("copy")), 1600);
});

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https there is no clipboard, but the way from before it.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    find("#copy").focus();
    return done;
  }
}

for (const [name, { label }] of Object.entries(FORMATS)) {
  const button = document.createElement("button");
  button.textContent = label;
  button.dataset.format = name;
  const extension = document.createElement("span");
  extension.textContent = `.${name}`;
  button.append(extension);
  button.addEventListener("click", () => {
    save(`${baseName()}.${name}`, FORMATS[name].type, contents(name));
    find("#save").open = false;
    find("#save summary").focus();
  });
  const item = document.createElement("li");
  item.append(button);
  find("#formats").append(item);
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  announce(`Saved as ${name}`);
}

addEventListener("click", ({ target }) => {
  if (!find("#save").contains(target)) find("#save").open = false;
});
find("#save").addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  find("#save").open = false;
  find("#save summary").focus();
});

find("#clear").addEventListener("click", () => {
  const { view } = panels[current];
  if (view.transcript.segments.length > savedAt[current] && !confirm("This text was neither copied nor saved. Clear it?")) return;
  savedAt[current] = 0;
  panels[current].clear();
});

addEventListener("beforeunload", (event) => {
  const unsaved = Object.entries(panels).some(([name, { view }]) => view.transcript.segments.length > savedAt[name]);
  if (unsaved || panels.live.state !== "idle" || panels.file.isBusy) event.preventDefault();
});

function announce(text) {
  find("#announcement").textContent = text;
}

// Dropped files

const isFile = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
let depth = 0; // of nested dragenter events
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(type, (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    depth = { dragenter: depth + 1, dragleave: depth - 1, drop: 0 }[type] ?? depth;
    find("#drop-veil").hidden = depth <= 0;
    if (type !== "drop" || event.dataTransfer.files.length === 0) return;
    show("file");
    panels.file.transcribe([...event.dataTransfer.files]);
  });
}

// Is the server ready?

async function askServer() {
  try {
    const { status } = await fetch(new URL("readyz", import.meta.url), { cache: "no-store" });
    if (status !== 503) return;
    showNotice("server", { kind: "info", title: "The server is not ready yet", text: "It may still be loading its model." });
  } catch {
    showNotice("server", { title: "The server cannot be reached", text: "It is not running, or there is no network." });
  }
}

show("live");
askServer();
