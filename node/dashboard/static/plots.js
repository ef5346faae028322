// Small plots of the last ten minutes.
import { $, h, svg, set, size, clock, frame } from "./dom.js";

const width = 300;
const height = 40;
const most = 120; // figures, one every five seconds: ten minutes

const number = (n) => (n >= 100 || Number.isInteger(n) ? Math.round(n).toString() : n.toFixed(1));

// Each line is a function of two figures that follow each other, s seconds apart.
const rate = (name) => (a, b, s) => (b[name] - a[name]) / s;
const plots = [
  { title: "Neighbours", lines: [(a, b) => b.neighbours], text: number },
  { title: "Members", lines: [(a, b) => b.members], text: number },
  { title: "Rumors per second", lines: [(a, b, s) => (b.accepted + b.published - a.accepted - a.published) / s], text: number },
  { title: "Traffic in and out per second", lines: [rate("received_bytes"), rate("sent_bytes")], text: size },
  { title: "Duplicates per rumor", lines: [(a, b) => (b.duplicates - a.duplicates) / Math.max(1, b.accepted - a.accepted)], text: (n) => n.toFixed(2) },
  { title: "Refused per second", lines: [rate("refused")], text: number },
];

let figures = [];

export function start() {
  for (const p of plots) {
    p.out = h("output");
    p.picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    p.fill = svg("path", { class: "fill" });
    p.paths = p.lines.map((_, i) => svg("path", { class: i ? "second" : "" }));
    p.cursor = svg("line", { class: "cursor", y1: 0, y2: height, visibility: "hidden" });
    p.picture.append(p.fill, ...p.paths, p.cursor);
    p.box = h("section", { className: "plot" }, h("h3", {}, p.title), p.out, p.picture);
    p.picture.addEventListener("pointermove", (e) => point(p, e));
    p.picture.addEventListener("pointerleave", () => {
      p.at = undefined;
      draw();
    });
    $("plots").append(p.box);
  }
}

export function replaceAll(list) {
  figures = list.slice(-most);
  draw();
}

export function add(f) {
  if (figures.length && Date.parse(figures.at(-1).time) >= Date.parse(f.time)) return; // a repetition
  figures.push(f);
  if (figures.length > most) figures.shift();
  draw();
}

// span is how many points a plot is wide: two minutes at first, then all there is.
const span = () => Math.max(24, figures.length - 1);

function point(p, e) {
  const box = p.picture.getBoundingClientRect();
  p.at = Math.round(((e.clientX - box.left) / box.width) * (span() - 1)) - (span() - figures.length + 1);
  draw();
}

const draw = frame(() => {
  for (const p of plots) one(p);
});

function one(p) {
  const all = p.lines.map((f) => figures.slice(1).map((b, i) => f(figures[i], b, Math.max(0.001, (Date.parse(b.time) - Date.parse(figures[i].time)) / 1000))));
  const n = all[0].length;
  if (!n) {
    set(p.out, "–");
    return;
  }
  const top = Math.max(...all.flat(), 1e-9);
  const x = (i) => width - ((n - 1 - i) * width) / (span() - 1);
  const y = (v) => height - 1 - (v / top) * (height - 4);
  const path = (values) => values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  all.forEach((values, i) => p.paths[i].setAttribute("d", path(values)));
  p.fill.setAttribute("d", `${path(all[0])}L${width} ${height}L${x(0).toFixed(1)} ${height}Z`);
  const at = p.at === undefined ? n - 1 : Math.min(n - 1, Math.max(0, p.at));
  p.cursor.setAttribute("visibility", p.at === undefined ? "hidden" : "visible");
  p.cursor.setAttribute("x1", x(at));
  p.cursor.setAttribute("x2", x(at));
  const when = p.at === undefined ? "" : clock(figures[at + 1].time) + "  ";
  set(p.out, when + all.map((values) => p.text(values[at])).join(" · "));
}
