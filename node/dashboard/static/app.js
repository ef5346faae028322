// The page as a whole: getting in, the views, and who is told what.
import { $, set, short, since } from "./dom.js";
import { Events, enter, forget, get } from "./api.js";
import * as model from "./model.js";
import * as peers from "./peers.js";
import * as graph from "./graph.js";
import * as plots from "./plots.js";
import * as rumors from "./rumors.js";
import * as chat from "./chat.js";
import * as mail from "./mail.js";
import * as state from "./state.js";
import * as dht from "./dht.js";
import * as health from "./health.js";

const views = ["network", "rumors", "chat", "state", "dht", "health"];
let view = "network";

function show(name) {
  if (!views.includes(name) || $("tab-" + name).hidden) return;
  view = name;
  for (const v of views) {
    const tab = $("tab-" + v);
    tab.setAttribute("aria-selected", v === name);
    tab.tabIndex = v === name ? 0 : -1;
    $("view-" + v).hidden = v !== name;
  }
  if (name === "chat") chat.shown();
  if (name === "health") refreshAbout();
}

function tabs() {
  const bar = document.querySelector(".tabs");
  for (const v of views) $("tab-" + v).addEventListener("click", () => show(v));
  bar.addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    const open = views.filter((v) => !$("tab-" + v).hidden);
    let next;
    if (step) next = open[(open.indexOf(view) + step + open.length) % open.length];
    else if (e.key === "Home") next = open[0];
    else if (e.key === "End") next = open.at(-1);
    else return;
    e.preventDefault();
    show(next);
    $("tab-" + next).focus();
  });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
    const tab = document.querySelector(`.tabs [data-key="${CSS.escape(e.key)}"]`);
    if (tab) {
      e.preventDefault(); // the key is not typed into what gets the focus
      show(tab.id.slice("tab-".length));
    }
    if (e.key === "/" && view === "network") {
      e.preventDefault();
      $("peers-filter").focus();
    }
  });
}

// Colours: those of the system unless somebody chose others.
const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = ["auto", "dark", "light"];
let theme = localStorage.getItem("hearsay-theme") || "auto";

function paint() {
  document.documentElement.dataset.theme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  set($("theme"), theme[0].toUpperCase() + theme.slice(1));
  graph.recolour();
}

function choose(id) {
  if (id === chosen) return;
  chosen = id;
  peers.select(id, true);
  graph.select(id);
}
let chosen = "";

async function refreshAbout() {
  health.about(await get("/v1/status"));
}

// opening is called before the stream is opened, which tells of this node's own doings,
// too.
async function opening() {
  Object.assign(model.self, await get("/v1/id"));
}

let again;

// opened is called when the stream is open or had a gap: what events only change
// is asked for once.
async function opened() {
  clearTimeout(again);
  try {
    const [all, routes, past] = await Promise.all([get("/v1/peers"), get("/v1/routes"), get("/v1/figures")]);
    model.replaceAll(all.peers);
    for (const r of routes.routes) model.via.set(r.origin, r.via);
    plots.replaceAll(past.figures);
    const status = await get("/v1/status");
    health.show((await get("/v1/health")).findings);
    state.replaceAll((await get("/v1/state")).state);
    model.self.started = status.started;
    header();
    health.about(status);
    peersChanged();
    chat.draw();
    await mail.history();
    if (events.live) handlers.state("live");
  } catch (problem) {
    if (problem.status === 401) return denied();
    handlers.state("lost", problem.message);
    if (events.live) again = setTimeout(opened, 5000); // else it is opened anew
  }
}

function header() {
  document.title = `Hearsay ${short(model.self.id)}`;
  set($("self-id"), short(model.self.id));
  $("self-id").title = model.self.id;
  set($("self-network"), model.self.network);
  set($("self-up"), since(model.self.started));
}

function peersChanged() {
  peers.draw();
  graph.place();
}

const handlers = {
  event(name, message) {
    switch (name) {
      case "peers":
        model.change(message);
        peersChanged();
        chat.draw();
        break;
      case "arrived":
        if (message.via && model.via.get(message.origin) !== message.via) {
          model.via.set(message.origin, message.via);
          graph.place();
        }
        rumors.arrived(message);
        chat.heard(message);
        if (Date.now() - Date.parse(message.time) < 5000) graph.brought(message.via, message.origin, !message.via);
        break;
      case "verdict":
        rumors.verdict(message);
        break;
      case "message":
        mail.received(message);
        break;
      case "receipt":
        mail.receipt(message);
        break;
      case "state":
        state.change(message);
        break;
      case "figures":
        plots.add(message);
        break;
      case "health":
        health.show(message.findings);
        break;
    }
  },
  opening,
  opened,
  state(word, detail) {
    $("link").dataset.state = word;
    set($("link"), word === "live" ? "live" : detail ? `${detail}; trying again` : word);
  },
  denied,
};

function denied() {
  forget();
  events.stop();
  handlers.state("lost", "not signed in");
  set($("link"), "not signed in");
  if (!$("gate").open) $("gate").showModal();
}

const events = new Events(handlers);

async function main() {
  dark.addEventListener("change", paint);
  $("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    localStorage.setItem("hearsay-theme", theme);
    paint();
  });
  $("self-id").addEventListener("click", () => navigator.clipboard?.writeText(model.self.id).then(() => {
    set($("self-id"), "copied");
    setTimeout(header, 900);
  }));
  tabs();
  peers.start(choose);
  graph.start((id) => choose(id));
  plots.start();
  rumors.start();
  chat.start(() => view === "chat", () => events.take([chat.dataType()]));
  chat.allowPrivate(mail.send);
  state.start();
  dht.start();
  health.show([]);
  paint();
  show("network");
  setInterval(() => document.hidden || set($("self-up"), since(model.self.started)), 1000);
  try {
    if (!(await enter())) return denied();
  } catch (problem) {
    set($("gate-text"), `${problem.message}. Ask for another link in a terminal:`);
    return denied();
  }
  events.take([chat.dataType()]);
}

main();
