// Rumors as they arrive, the newest first.
import { $, h, set, short, size, duration, clock, bytesOf, shown, swatch, frame } from "./dom.js";
import { self } from "./model.js";

const most = 400; // rows

const rumors = []; // newest first: {message, row}
const byID = new Map();
let waiting = []; // not in the table yet
let paused = false;
let filter = "";
let lost = 0;
let seen = 0;

export function start() {
  $("rumors-filter").addEventListener("input", (e) => {
    filter = e.target.value.trim().toLowerCase();
    for (const r of rumors) r.row.hidden = !matches(r);
  });
  $("rumors-pause").addEventListener("click", () => {
    paused = !paused;
    $("rumors-pause").setAttribute("aria-pressed", paused);
    draw();
  });
}

export function arrived(message) {
  if (byID.has(message.id)) return; // told again after the page was loaded again
  seen++;
  lost += message.skipped || 0;
  const r = { message, verdict: "", text: message.private ? "sealed" : shown(bytesOf(message.data), message.size > 1024) };
  byID.set(message.id, r);
  waiting.push(r);
  if (waiting.length > most) byID.delete(waiting.shift().message.id);
  draw();
}

export function verdict({ id, verdict }) {
  const r = byID.get(id);
  if (!r) return;
  r.verdict = verdict;
  if (r.badge) decide(r);
}

const draw = frame(() => {
  set($("rumors-count"), lost ? `${seen}, and ${lost} too fast to show` : paused && waiting.length ? `${seen}, ${waiting.length} waiting` : seen);
  if (paused) return;
  const rows = waiting.map(make).reverse();
  rumors.unshift(...waiting.reverse());
  waiting = [];
  $("rumors").tBodies[0].prepend(...rows);
  $("rumors-empty").hidden = rumors.length > 0;
  for (const r of rumors.splice(most)) {
    r.row.remove();
    byID.delete(r.message.id);
  }
});

function make(r) {
  const m = r.message;
  r.badge = h("span", { className: "verdict" });
  decide(r);
  const who = (id) => (id === self.id ? "this node" : short(id));
  const name = (id) => h("span", { className: "state", title: id }, swatch(id), h("span", { className: "id" }, who(id)));
  r.row = h(
    "tr",
    { "data-id": m.id, title: "rumor " + m.id, hidden: !matches(r) },
    h("td", { className: "faint" }, clock(m.time)),
    h("td", { className: "num" }, m.type),
    h("td", {}, name(m.origin)),
    h("td", {}, m.via ? name(m.via) : "", m.filled ? h("span", { className: "note" }, " by comparison") : ""),
    h("td", { className: "num" }, m.via ? (m.hops === 255 ? "255+" : m.hops) : ""),
    h("td", { className: "num" }, m.via ? duration(m.delay_ms) : ""),
    h("td", { className: "num" }, size(m.size)),
    h("td", {}, r.badge),
    h("td", { className: "data" }, r.text.replaceAll("\n", " ")),
  );
  return r.row;
}

function decide(r) {
  set(r.badge, r.verdict || "open");
  r.badge.dataset.verdict = r.verdict || "open";
}

function matches(r) {
  const m = r.message;
  return !filter || [String(m.type), m.origin, m.via, r.text, r.verdict].some((s) => s && s.toLowerCase().includes(filter));
}
