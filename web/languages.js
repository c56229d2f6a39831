// The languages that Whisper knows, by its codes, with their English names.

const CODES =
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it " +
  "ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn " +
  "so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh";

// jw is Whisper's own; the others have another name in common use than the one that browsers give them.
const NAMES = { jw: "Javanese", my: "Burmese", tl: "Tagalog", no: "Norwegian", nn: "Norwegian Nynorsk" };

const displayNames = new Intl.DisplayNames(["en"], { type: "language" });

export const languageName = (code) => NAMES[code] ?? displayNames.of(code);

/** [{code, name}], by name. */
export const LANGUAGES = CODES.split(" ")
  .map((code) => ({ code, name: languageName(code) }))
  .sort((a, b) => a.name.localeCompare(b.name, "en"));
