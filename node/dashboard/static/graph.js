// The neighbourhood as a picture that moves. It is drawn only while something in
// it moves and somebody sees it.
import { $, set, short, duration, visible } from "./dom.js";
import { peers, via, self, looks } from "./model.js";
import { layout } from "./layout.js";

const glide = 420; // ms that a peer takes to its place
const flight = 650; // ms that news takes along a link
const mostFlights = 120; // at once; a picture with more shows nothing

const canvas = $("graph");
const draw2d = canvas.getContext("2d");
const still = matchMedia("(prefers-reduced-motion: reduce)");

const spots = new Map(); // by peer: where it is, and where it goes
const flights = []; // news under way
const flashes = new Map(); // by peer: since when it shines
let colours = {};
let chosen = "";
let under = "";
let onChoose = () => {};
let scale = 1;
let due = false;
let moved = 0;

export function start(choose) {
  onChoose = choose;
  new ResizeObserver(resize).observe(canvas);
  document.addEventListener("visibilitychange", wake);
  canvas.addEventListener("pointermove", (e) => hover(find(e)));
  canvas.addEventListener("pointerleave", () => hover(""));
  canvas.addEventListener("click", (e) => onChoose(find(e)));
  canvas.addEventListener("keydown", keys);
  recolour();
}

// recolour takes the colours of the page's theme.
export function recolour() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["bg", "surface", "line", "text", "muted", "faint", "accent", "member", "warn", "away"]) colours[name] = style.getPropertyValue("--" + name).trim();
  wake();
}

// place moves everybody to where they belong now.
export function place() {
  const now = performance.now();
  const places = layout();
  for (const [id, to] of places) {
    const s = spots.get(id);
    if (!s) {
      // Newcomers come out of the middle of the picture's edge behind their place.
      spots.set(id, { ...to, fromX: to.x * 1.25, fromY: to.y * 1.25, at: now, born: now });
    } else if (s.x !== to.x || s.y !== to.y || s.r !== to.r || s.parent !== to.parent) {
      const p = where(s, now);
      spots.set(id, { ...to, fromX: p.x, fromY: p.y, at: now, born: s.born });
    }
  }
  for (const id of spots.keys()) if (!places.has(id)) spots.delete(id);
  moved = now + glide;
  let reach = 1;
  for (const s of spots.values()) reach = Math.max(reach, Math.hypot(s.x, s.y) + s.r * 2);
  scale = 1 / reach;
  describe();
  wake();
}

// brought shows that a neighbour brought news of somebody.
export function brought(by, origin, own) {
  const now = performance.now();
  if (own) {
    for (const [id, p] of peers) if (p.state === "neighbour" && p.tree) fly("", id, now);
    flashes.set("", now);
  } else {
    fly(by, "", now);
    if (origin !== by && spots.has(origin)) {
      flashes.set(origin, now);
      if (spots.get(origin).parent === by) fly(origin, by, now - flight / 2);
    }
    flashes.set(by, now);
  }
  wake();
}

function fly(from, to, at) {
  if (!still.matches && flights.length < mostFlights && !document.hidden) flights.push({ from, to, at });
}

export function select(id) {
  chosen = id;
  describe();
  wake();
}

function where(s, now) {
  const t = still.matches ? 1 : Math.min(1, (now - s.at) / glide);
  const ease = 1 - (1 - t) ** 3;
  return { x: s.fromX + (s.x - s.fromX) * ease, y: s.fromY + (s.y - s.fromY) * ease };
}

function resize() {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  wake();
}

function wake() {
  if (due || document.hidden) return;
  due = true;
  requestAnimationFrame(draw);
}

// unit is how many pixels 1 is, and the middle of the picture.
function view() {
  const ratio = devicePixelRatio || 1;
  const w = canvas.width / ratio;
  const h = canvas.height / ratio;
  // A picture that is wider than high is drawn wider than high.
  const unit = (Math.min(w, h) / 2 - 18) * scale;
  return { w, h, ratio, cx: w / 2, cy: h / 2, ux: unit * Math.min(1.9, Math.max(1, w / h)), uy: unit };
}

function draw() {
  due = false;
  if (!canvas.width) return;
  const now = performance.now();
  const v = view();
  const c = draw2d;
  c.setTransform(v.ratio, 0, 0, v.ratio, 0, 0);
  c.clearRect(0, 0, v.w, v.h);
  const at = (id) => {
    if (id === "") return { x: v.cx, y: v.cy };
    const s = spots.get(id);
    if (!s) return null;
    const p = where(s, now);
    return { x: v.cx + p.x * v.ux, y: v.cy + p.y * v.uy };
  };

  // Whose news come by whom.
  c.lineWidth = 1;
  c.strokeStyle = colours.line;
  c.beginPath();
  for (const [id, s] of spots) {
    if (!s.parent || id === chosen) continue;
    const a = at(id);
    const b = at(s.parent);
    if (!a || !b) continue;
    c.moveTo(a.x, a.y);
    c.lineTo(b.x, b.y);
  }
  c.stroke();

  // Links, those of a tree on top.
  for (const tree of [false, true]) {
    c.beginPath();
    for (const [id, p] of peers) {
      if (p.state !== "neighbour" || inTree(p) !== tree) continue;
      const a = at(id);
      if (!a) continue;
      c.moveTo(v.cx, v.cy);
      c.lineTo(a.x, a.y);
    }
    c.strokeStyle = tree ? colours.accent : colours.faint;
    c.lineWidth = tree ? 2.2 : 1;
    c.globalAlpha = tree ? 0.85 : 0.7;
    c.stroke();
  }
  c.globalAlpha = 1;

  if (chosen && spots.has(chosen)) way(c, at);
  for (const [id, s] of spots) spot(c, id, s, at(id), v, now);
  middle(c, v, now);
  for (let i = flights.length - 1; i >= 0; i--) {
    const f = flights[i];
    const t = (now - f.at) / flight;
    const a = at(f.from);
    const b = at(f.to);
    if (t >= 1 || !a || !b) {
      flights.splice(i, 1);
      continue;
    }
    if (t < 0) continue;
    const ease = t * t * (3 - 2 * t);
    c.fillStyle = colours.text;
    c.globalAlpha = Math.min(1, 4 * (1 - t));
    c.beginPath();
    c.arc(a.x + (b.x - a.x) * ease, a.y + (b.y - a.y) * ease, 3.2, 0, 7);
    c.fill();
    c.globalAlpha = 1;
  }
  if (flights.length || flashes.size || now < moved) wake();
}

const inTree = (p) => Boolean(p.tree || p.tree_types?.length);

// way draws the way by which a chosen peer's news come.
function way(c, at) {
  const parent = spots.get(chosen).parent;
  const points = [at(chosen), parent && at(parent), at("")].filter(Boolean);
  c.beginPath();
  points.forEach((p, i) => (i ? c.lineTo(p.x, p.y) : c.moveTo(p.x, p.y)));
  c.strokeStyle = colours.text;
  c.lineWidth = 1.6;
  c.setLineDash([5, 4]);
  c.stroke();
  c.setLineDash([]);
}

function spot(c, id, s, p, v, now) {
  const look = looks(peers.get(id)?.state);
  const r = Math.max(2.2, s.r * v.uy);
  const flash = shine(id, now);
  if (flash > 0) {
    c.fillStyle = colours.accent;
    c.globalAlpha = 0.35 * flash;
    c.beginPath();
    c.arc(p.x, p.y, r + 7 * flash, 0, 7);
    c.fill();
  }
  c.globalAlpha = Math.min(1, (now - s.born) / glide + 0.15);
  c.beginPath();
  c.arc(p.x, p.y, r, 0, 7);
  if (look === "away" || look === "known") {
    c.fillStyle = colours.surface;
    c.fill();
    c.strokeStyle = colours.away;
    c.lineWidth = 1.5;
    c.stroke();
  } else {
    c.fillStyle = look === "neighbour" ? colours.accent : look === "suspect" ? colours.warn : colours.member;
    c.fill();
  }
  c.globalAlpha = 1;
  if (id === chosen || id === under) {
    c.strokeStyle = colours.text;
    c.lineWidth = 2;
    c.beginPath();
    c.arc(p.x, p.y, r + 4, 0, 7);
    c.stroke();
  }
  if (look === "neighbour" && spots.size <= 60) label(c, short(id), p, r, v);
}

function label(c, text, p, r, v) {
  c.font = `11px ${getComputedStyle(document.body).getPropertyValue("--mono") || "monospace"}`;
  c.fillStyle = colours.muted;
  c.textBaseline = "middle";
  const right = p.x >= v.cx;
  c.textAlign = right ? "left" : "right";
  c.fillText(text, p.x + (right ? r + 6 : -r - 6), p.y);
}

function middle(c, v, now) {
  const flash = shine("", now);
  c.fillStyle = colours.accent;
  c.globalAlpha = 0.16 + 0.25 * Math.max(0, flash);
  c.beginPath();
  c.arc(v.cx, v.cy, 16 + 6 * Math.max(0, flash), 0, 7);
  c.fill();
  c.globalAlpha = 1;
  c.beginPath();
  c.arc(v.cx, v.cy, 9, 0, 7);
  c.fillStyle = colours.text;
  c.fill();
}

// shine is how much a peer shines: 1 when news come from it, then less.
function shine(id, now) {
  const since = flashes.get(id);
  if (since === undefined) return 0;
  const left = 1 - (now - since) / 900;
  if (left <= 0) flashes.delete(id);
  return left;
}

function find(e) {
  const box = canvas.getBoundingClientRect();
  const v = view();
  const x = e.clientX - box.left;
  const y = e.clientY - box.top;
  let best = "";
  let near = 14;
  for (const [id, s] of spots) {
    const d = Math.hypot(v.cx + s.x * v.ux - x, v.cy + s.y * v.uy - y);
    if (d < near) [near, best] = [d, id];
  }
  return best;
}

function hover(id) {
  if (id === under) return;
  under = id;
  canvas.style.cursor = id ? "pointer" : "";
  const tip = $("graph-tip");
  tip.hidden = !id;
  if (id) {
    set(tip, about(id));
    const v = view();
    const s = spots.get(id);
    const x = v.cx + s.x * v.ux;
    tip.style.left = `${Math.min(x + 14, v.w - 240)}px`;
    tip.style.top = `${v.cy + s.y * v.uy + 14}px`;
  }
  wake();
}

// about says in a line who somebody is.
function about(id) {
  const p = peers.get(id);
  if (!p) return "";
  const parts = [short(id), p.state];
  if (p.direction) parts.push(`${p.direction}bound link${inTree(p) ? " of the tree" : ""}`.replace("outbound", "outgoing").replace("inbound", "incoming"));
  if (p.rtt_ms) parts.push(duration(p.rtt_ms));
  const by = via.get(id);
  if (by && by !== id) parts.push("news by " + short(by));
  return visible(parts.join(", "));
}

function describe() {
  const n = [...peers.values()].filter((p) => p.state === "neighbour").length;
  canvas.setAttribute("aria-label", `This node, ${n} neighbours, ${peers.size} peers in all`);
  set($("graph-note"), chosen && peers.has(chosen) ? about(chosen) : "Arrow keys go from peer to peer; the table below has them all.");
}

function keys(e) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (e.key === "Escape") onChoose("");
  if (!(e.key in steps) || !spots.size) return;
  e.preventDefault();
  const ids = [...spots.keys()].sort((a, b) => angle(a) - angle(b));
  const i = ids.indexOf(chosen);
  onChoose(ids[(i + steps[e.key] + ids.length) % ids.length] || ids[0]);
}

const angle = (id) => Math.atan2(spots.get(id).y, spots.get(id).x);

export const selfName = () => short(self.id);
