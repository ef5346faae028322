// Chat: with everybody who takes a data type, and with one member alone.
import { $, h, set, short, clock, bytesOf, base64Of, textOf, swatch, frame, duration } from "./dom.js";
import { peers, self, isAway } from "./model.js";
import { ask } from "./api.js";

const usual = 1000; // the data type of the public chat, as in the README
const longest = 1000; // bytes: events show that much of a rumor
const most = 500; // messages of a conversation

const rooms = new Map(); // by peer, "" = everybody: {messages}, the earliest first
const readKey = "hearsay-read";
const read = JSON.parse(sessionStorage.getItem(readKey) || "{}"); // up to when, by room; it outlives the page
let room = "";
let type = Number(localStorage.getItem("hearsay-chat-type") ?? usual);
let isOpen = () => false;
let takeType = () => {};
let sendPrivately = null; // (peer, text) → what became of it in words; null = the node cannot

export const dataType = () => type;

export function start(opened, take) {
  isOpen = opened;
  takeType = take;
  $("chat-type").value = type;
  $("chat-type").addEventListener("change", changeType);
  $("chat-form").addEventListener("submit", send);
  $("chat-to").addEventListener("change", (e) => {
    if (e.target.value) enter(e.target.value);
    e.target.value = "";
  });
  $("chat-rooms").addEventListener("keydown", keys);
  enter("");
}

export function allowPrivate(f) {
  sendPrivately = f;
  choices();
}

function changeType(e) {
  const n = Number(e.target.value);
  if (!Number.isInteger(n) || n < 0 || n > 65535 || e.target.value.trim() === "") {
    set($("chat-problem"), "A data type is a whole number from 0 to 65535.");
    e.target.value = type;
    return;
  }
  set($("chat-problem"), "");
  type = n;
  localStorage.setItem("hearsay-chat-type", n);
  rooms.set("", { messages: [] });
  takeType();
  enter("");
}

function roomOf(peer) {
  if (!rooms.has(peer)) rooms.set(peer, { messages: [] });
  return rooms.get(peer);
}

// heard takes a rumor that arrived; it is chat if it has the type and is text.
export function heard(m) {
  if (m.type !== type || m.private) return;
  const text = textOf(bytesOf(m.data), m.size > m.data.length * 0.75);
  if (text === null) return;
  add("", { id: m.id, from: m.origin, time: m.time, text, how: m.via ? `${m.hops} ${m.hops === 1 ? "hop" : "hops"}, ${duration(m.delay_ms)}` : "" });
}

// add puts a message into a conversation, by its time; of one with the same ID only
// the words on its way are new, and the text if it was cut.
export function add(peer, message) {
  const { messages } = roomOf(peer);
  const at = Date.parse(message.time);
  const i = messages.findIndex((m) => m.id === message.id);
  if (i >= 0) {
    if (messages[i].cut && message.cut === false) messages[i] = { ...message, at };
    else messages[i].how = message.how ?? messages[i].how;
  } else if (message.text !== undefined) {
    let place = messages.length;
    while (place > 0 && messages[place - 1].at > at) place--;
    messages.splice(place, 0, { ...message, at });
    if (messages.length > most) messages.shift();
  }
  draw();
}

// unread is how many messages of others are in a conversation since it was last seen.
const unread = (peer) => rooms.get(peer).messages.filter((m) => m.from !== self.id && m.at > (read[peer] ?? 0)).length;

// seen notes that a conversation is.
function seen(peer) {
  const last = roomOf(peer).messages.at(-1);
  if (!last || last.at <= (read[peer] ?? 0)) return;
  read[peer] = last.at;
  sessionStorage.setItem(readKey, JSON.stringify(read));
}

async function send(e) {
  e.preventDefault();
  const text = $("chat-text").value;
  if (!text) return;
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > longest) {
    set($("chat-problem"), `The message has ${bytes} bytes; at most ${longest} are shown to everybody.`);
    return;
  }
  $("chat-text").value = "";
  set($("chat-problem"), "");
  try {
    if (room === "") await ask("POST", "/v1/announce", { type, data: base64Of(text) });
    else await sendPrivately(room, text);
  } catch (problem) {
    set($("chat-problem"), problem.message + (problem.hint ? `: ${problem.hint}` : ""));
    if (!$("chat-text").value) $("chat-text").value = text;
  }
}

// enter opens a conversation.
function enter(peer) {
  room = peer;
  roomOf(peer);
  $("chat-log").replaceChildren();
  drawn = [];
  draw();
}

export function shown() {
  draw();
  $("chat-text").focus();
}

let drawn = []; // the messages in the log

export const draw = frame(() => {
  if (isOpen()) seen(room);
  list();
  choices();
  set($("chat-about"), room === "" ? `Everybody who takes data type ${type} reads along.` : `Sealed to ${room}: others carry it and cannot read it.`);
  const { messages } = roomOf(room);
  const log = $("chat-log");
  const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  let same = 0;
  while (same < drawn.length && drawn[same] === messages[same]) same++;
  for (const m of drawn.splice(same)) m.line.remove();
  for (const m of messages.slice(same)) {
    m.line = line(m, drawn.at(-1));
    log.append(m.line);
    drawn.push(m);
  }
  for (const m of messages) if (m.line) set(m.line.lastElementChild, m.how || "");
  if (bottom) log.scrollTop = log.scrollHeight;
  let all = 0;
  for (const peer of rooms.keys()) all += unread(peer);
  $("chat-badge").hidden = !all;
  $("chat-badge").dataset.level = "new";
  set($("chat-badge"), all);
});

function line(m, before) {
  const own = m.from === self.id;
  const again = before && before.from === m.from && Date.parse(m.time) - Date.parse(before.time) < 120000;
  const who = h("span", { className: "who", hidden: Boolean(again), title: m.from }, swatch(m.from), h("span", { className: "id" }, own ? "you" : short(m.from)), h("time", {}, clock(m.time)));
  return h("li", { className: own ? "own" : "", "data-id": m.id }, who, h("span", { className: "text", dir: "auto" }, m.text), h("span", { className: "how" }, m.how || ""));
}

function list() {
  const items = [...rooms.keys()].map((peer) => {
    const news = unread(peer);
    const name = peer === "" ? "Everybody" : short(peer);
    const item = h("li", { role: "option", tabIndex: peer === room ? 0 : -1, "aria-selected": peer === room, "data-peer": peer, title: peer }, peer ? swatch(peer) : "", name);
    if (news) item.append(h("span", { className: "badge", "data-level": "new" }, news));
    item.addEventListener("click", () => enter(peer));
    return item;
  });
  const focused = $("chat-rooms").contains(document.activeElement);
  $("chat-rooms").replaceChildren(...items);
  if (focused) $("chat-rooms").querySelector("[tabindex='0']")?.focus();
}

function keys(e) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step) return;
  e.preventDefault();
  const all = [...rooms.keys()];
  enter(all[(all.indexOf(room) + step + all.length) % all.length]);
}

// choices keeps the list of members that can be written to; it is not touched
// while somebody chooses.
let offered = "";
function choices() {
  const select = $("chat-to");
  select.closest("label").hidden = !sendPrivately;
  if (!sendPrivately || document.activeElement === select) return;
  const ids = [...peers.values()].filter((p) => p.state === "neighbour" || (p.state !== "known" && !isAway(p.state))).map((p) => p.id).sort();
  if (ids.join() === offered) return;
  offered = ids.join();
  select.replaceChildren(h("option", { value: "" }, "choose a member"), ...ids.map((id) => h("option", { value: id }, id)));
}
