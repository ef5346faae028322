// Elements, and what people read. All that comes from the node reaches the page
// as text nodes and attributes; nothing here or elsewhere makes HTML.

export const $ = (id) => document.getElementById(id);

// h makes an element. Attributes with a hyphen and aria ones are set as such,
// the others as properties; children are elements or text.
export function h(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role") e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children.map((c) => (c instanceof Node ? c : visible(c))));
  return e;
}

const svgNamespace = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}) {
  const e = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
}

// set changes an element's text only if it is another one, so that what stays the
// same is not laid out again.
export function set(e, text) {
  text = visible(text);
  if (e.textContent !== text) e.textContent = text;
}

// visible shows control characters and those that turn the direction of writing
// around, so that no text can pretend to be anything else. Line breaks stay.
export function visible(text) {
  return String(text)
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/g, "\ufffd");
}

const decoder = new TextDecoder("utf-8", { fatal: true });

// bytesOf decodes base64.
export const bytesOf = (base64) => Uint8Array.from(atob(base64 || ""), (c) => c.charCodeAt(0));

export function base64Of(text) {
  let s = "";
  for (const b of new TextEncoder().encode(text)) s += String.fromCharCode(b);
  return btoa(s);
}

// textOf is what bytes say if they are text, else null. cut says that they may
// end in the middle of a character.
export function textOf(bytes, cut = false) {
  for (let drop = 0; drop < (cut ? 4 : 1); drop++) {
    try {
      return decoder.decode(bytes.subarray(0, bytes.length - drop));
    } catch {
      // not text, or not up to here
    }
  }
  return null;
}

// shown is how people see bytes: as text if they are, else in hexadecimal.
export function shown(bytes, cut = false) {
  const text = textOf(bytes, cut);
  if (text !== null && !/[\u0000-\u0008\u000e-\u001f]/.test(text)) return text + (cut ? "…" : "");
  const hex = Array.from(bytes.subarray(0, 64), (b) => b.toString(16).padStart(2, "0")).join("");
  return "0x" + hex + (cut || bytes.length > 64 ? "…" : "");
}

// short is the end of a peer ID: its beginning is the same for all.
export const short = (id) => (id && id.length > 10 ? "…" + id.slice(-8) : id || "");

export function size(n) {
  if (n < 999.5) return Math.round(n) + " B";
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do {
    n /= 1000;
    i++;
  } while (n >= 999.5 && i < units.length - 1);
  return n.toFixed(n < 10 ? 1 : 0) + " " + units[i];
}

export function duration(ms) {
  if (ms < 1) return ms <= 0 ? "0 ms" : ms.toFixed(1) + " ms";
  if (ms < 1000) return (ms < 10 ? ms.toFixed(1) : Math.round(ms)) + " ms";
  if (ms < 10000) return (ms / 1000).toFixed(1) + " s";
  const s = Math.round(ms / 1000);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 48 * 3600) return Math.floor(s / 3600) + " h";
  return Math.floor(s / 86400) + " d";
}

// since is how long ago something was, in whole seconds or more.
export function since(time, now = Date.now()) {
  if (!time) return "";
  const s = Math.floor((now - Date.parse(time)) / 1000);
  if (s < 1) return "now";
  return s < 10 ? s + " s" : duration(s * 1000);
}

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

// hash is a number that stays the same for a text: places and hues go by it.
export function hash(text) {
  let n = 2166136261;
  for (let i = 0; i < text.length; i++) n = Math.imul(n ^ text.charCodeAt(i), 16777619);
  return (n >>> 0) / 4294967296;
}

export const hue = (text) => Math.round(hash(text) * 360);

export const isDark = () => document.documentElement.dataset.theme !== "light";

// swatch is a dot in a peer's own colour.
export function swatch(id) {
  const e = h("span", { className: "swatch", "aria-hidden": "true" });
  e.style.background = `hsl(${hue(id)} 42% ${isDark() ? 62 : 45}%)`;
  return e;
}

// frame has f run once before the next picture, however often it is called.
export function frame(f) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      f();
    });
  };
}
