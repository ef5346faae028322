// Shared state: what nodes say of themselves, newest first of each key.
import { $, h, set, short, since, bytesOf, base64Of, shown as readable, swatch, frame } from "./dom.js";
import { self } from "./model.js";
import { ask } from "./api.js";

const most = 1000; // rows

const entries = new Map(); // by node and key
const rows = new Map();

const keyOf = (e) => JSON.stringify([e.peer, e.key]);

export function start() {
  $("state-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    const key = $("state-key").value;
    await attempt(() => ask("PUT", "/v1/state", { key, value: base64Of($("state-value").value) }));
  });
  setInterval(() => document.hidden || $("view-state").hidden || draw(), 1000);
}

async function attempt(f) {
  try {
    for (const e of (await f()).state) entries.set(keyOf(e), e);
    set($("state-problem"), "");
    draw();
  } catch (problem) {
    set($("state-problem"), problem.message + (problem.hint ? `: ${problem.hint}` : ""));
  }
}

export function replaceAll(list) {
  entries.clear();
  for (const e of list) entries.set(keyOf(e), e);
  draw();
}

export function change(e) {
  const k = keyOf(e);
  if (e.gone) entries.delete(k);
  else entries.set(k, e);
  draw();
}

const draw = frame(() => {
  const list = [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.peer < b.peer ? -1 : 1));
  set($("state-count"), list.length > most ? `${most} of ${list.length} shown` : list.length);
  $("state-empty").hidden = list.length > 0;
  const body = $("state").tBodies[0];
  const seen = new Set();
  let at = body.firstElementChild;
  for (const e of list.slice(0, most)) {
    const k = keyOf(e);
    seen.add(k);
    if (!rows.has(k)) rows.set(k, make(e));
    const row = rows.get(k);
    set(row.value, readable(bytesOf(e.value)));
    set(row.time, since(e.set));
    if (row.tr === at) at = at.nextElementSibling;
    else body.insertBefore(row.tr, at);
  }
  for (const [k, row] of rows) {
    if (!seen.has(k)) {
      row.tr.remove();
      rows.delete(k);
    }
  }
});

function make(e) {
  const own = e.peer === self.id;
  const row = { value: h("td", { className: "data" }), time: h("td", { className: "num faint" }) };
  const last = h("td", {});
  if (own) {
    const take = h("button", { type: "button", className: "quiet" }, "Delete");
    take.addEventListener("click", () => attempt(() => ask("DELETE", "/v1/state?" + new URLSearchParams({ key: e.key }))));
    last.append(take);
  }
  const node = h("span", { className: "state", title: e.peer }, swatch(e.peer), h("span", { className: "id" }, own ? "this node" : short(e.peer)));
  row.tr = h("tr", { "data-key": e.key }, h("td", {}, e.key), row.value, h("td", {}, node), row.time, last);
  return row;
}
