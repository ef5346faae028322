// The table of peers. Rows are kept and changed in place: a table of 500 stands
// still while nothing happens.
import { $, h, set, duration, since, frame } from "./dom.js";
import { peers, rank, states, looks } from "./model.js";

const most = 1000; // rows; of more only the closest are shown, and the filter finds the rest

const rows = new Map();
const only = new Set();
let chosen = "";
let choose = () => {};
let filter = "";

export function start(onChoose) {
  choose = onChoose;
  $("peers-filter").addEventListener("input", (e) => {
    filter = e.target.value.trim().toLowerCase();
    draw();
  });
  for (const state of states) {
    const chip = h("button", { type: "button", "aria-pressed": "false", "data-state": state, hidden: true });
    chip.addEventListener("click", () => {
      if (!only.delete(state)) only.add(state);
      chip.setAttribute("aria-pressed", only.has(state));
      draw();
    });
    $("peers-states").append(chip);
  }
  setInterval(() => document.hidden || ages(), 1000);
}

export const draw = frame(() => {
  const counts = new Map();
  const list = [];
  for (const p of peers.values()) {
    counts.set(p.state, (counts.get(p.state) || 0) + 1);
    if (only.size && !only.has(p.state)) continue;
    if (filter && !matches(p)) continue;
    list.push(p);
  }
  list.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  set($("peers-count"), list.length > most ? `${most} of ${list.length} shown` : list.length === peers.size ? peers.size : `${list.length} of ${peers.size}`);
  for (const chip of $("peers-states").children) {
    const n = counts.get(chip.dataset.state) || 0;
    chip.hidden = !n && !only.has(chip.dataset.state);
    set(chip, `${chip.dataset.state} ${n}`);
  }
  $("peers-empty").hidden = peers.size > 0;

  const body = $("peers").tBodies[0];
  const shown = new Set();
  let at = body.firstElementChild;
  for (const p of list.slice(0, most)) {
    shown.add(p.id);
    let row = rows.get(p.id);
    if (!row) rows.set(p.id, (row = makeRow(p.id)));
    fill(row, p);
    if (row.tr === at) at = at.nextElementSibling;
    else body.insertBefore(row.tr, at);
  }
  for (const [id, row] of rows) {
    if (!shown.has(id)) {
      row.tr.remove();
      rows.delete(id);
    }
  }
});

function matches(p) {
  return [p.id, p.state, p.source, p.agent, p.last_error, ...p.addrs].some((s) => s && s.toLowerCase().includes(filter));
}

function makeRow(id) {
  const cell = (className) => h("td", { className });
  const dot = h("i", { className: "dot" });
  const state = h("span");
  const row = { id: cell("id"), addr: cell("addr"), link: cell(""), rtt: cell("num"), source: cell("faint"), since: cell("num faint"), note: cell("faint"), dot, state };
  row.tr = h("tr", { tabIndex: -1, "data-id": id }, h("td", {}, h("span", { className: "state" }, dot, state)), row.id, row.addr, row.link, row.rtt, row.source, row.since, row.note);
  row.tr.addEventListener("click", () => select(chosen === id ? "" : id));
  return row;
}

function fill(row, p) {
  row.tr.dataset.state = p.state;
  row.dot.className = "dot " + looks(p.state);
  set(row.state, p.state);
  set(row.id, p.id);
  row.id.title = p.id;
  set(row.addr, p.addrs[0] || "");
  row.addr.title = p.addrs.join("\n");
  const tree = p.tree_types?.length ? ", tree of " + p.tree_types.join(" ") : p.tree ? ", tree" : "";
  set(row.link, p.direction ? `${p.direction} ${p.transport || ""}${p.relayed ? " relayed" : ""}${tree}` : "");
  set(row.rtt, p.rtt_ms ? duration(p.rtt_ms) : "");
  set(row.source, p.source || "");
  row.time = p.since;
  set(row.since, since(p.since));
  set(row.note, p.state === "neighbour" ? p.agent || "" : p.last_error || p.agent || "");
  row.note.title = row.note.textContent;
  mark(row, p.id);
}

function mark(row, id) {
  if (id === chosen) row.tr.setAttribute("aria-selected", "true");
  else row.tr.removeAttribute("aria-selected");
}

function ages() {
  const now = Date.now();
  for (const row of rows.values()) set(row.since, since(row.time, now));
}

// select marks a peer here and in the picture.
export function select(id, scroll = false) {
  chosen = id;
  for (const [peer, row] of rows) mark(row, peer);
  if (scroll && id) rows.get(id)?.tr.scrollIntoView({ block: "nearest" });
  choose(id);
}
