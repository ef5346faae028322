// Values of the distributed hash table.
import { $, h, set, short, since, bytesOf, base64Of, shown, duration, swatch } from "./dom.js";
import { ask, get } from "./api.js";

// keyOf is the key that people mean: 64 hexadecimal digits as they are, of any
// other text its SHA-256.
async function keyOf(text) {
  text = text.trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

export function start() {
  $("dht-put").addEventListener("submit", (e) => {
    e.preventDefault();
    busy(e.target, $("dht-put-note"), async () => {
      const key = await keyOf($("dht-put-key").value);
      const stored = await ask("PUT", "/v1/dht/" + key, { value: base64Of($("dht-put-value").value), ttl: Number($("dht-put-minutes").value) * 60 });
      $("dht-get-key").value = $("dht-put-key").value;
      const copies = stored.copies === 1 ? "1 other node has a copy" : `${stored.copies} other nodes have a copy`;
      return `Stored under ${key.slice(0, 12)}…; ${copies}, for ${duration(Date.parse(stored.expires) - Date.now())}.`;
    });
  });
  $("dht-get").addEventListener("submit", (e) => {
    e.preventDefault();
    $("dht-values").replaceChildren();
    busy(e.target, $("dht-get-note"), async () => {
      const { values } = await get("/v1/dht/" + (await keyOf($("dht-get-key").value)));
      $("dht-values").replaceChildren(...values.map(item));
      return values.length ? (values.length === 1 ? "One value." : `${values.length} values, the one that counts first.`) : "Nobody has a value for this key.";
    });
  });
}

function item(v) {
  return h(
    "li",
    {},
    h("span", { className: "text" }, shown(bytesOf(v.value))),
    h("p", { className: "note state", title: v.signer }, swatch(v.signer), `by ${short(v.signer)}, put ${ago(v.created)}, for another ${duration(Date.parse(v.expires) - Date.now())}`),
  );
}

function ago(time) {
  const s = since(time);
  return s === "now" ? "just now" : s + " ago";
}

// busy does one thing at a time, and says what became of it.
async function busy(form, note, f) {
  const button = form.querySelector("button");
  button.disabled = true;
  note.classList.remove("problem");
  set(note, "asking the network …");
  try {
    set(note, await f());
  } catch (problem) {
    note.classList.add("problem");
    set(note, problem.message + (problem.hint ? `: ${problem.hint}` : ""));
  } finally {
    button.disabled = false;
  }
}
