// Private messages, as conversations of the chat.
import { bytesOf, base64Of, shown, short } from "./dom.js";
import { self } from "./model.js";
import { ask, follow } from "./api.js";
import * as chat from "./chat.js";

const sent = new Map(); // own messages whose receipts are awaited: ID → recipients
let upTo = "0"; // the event up to which the inbox was read

// send sends a text to one member, and shows by which way it went.
export async function send(to, text) {
  const answer = await ask("POST", "/v1/send", { to: [to], data: base64Of(text) });
  const d = answer.deliveries[0];
  sent.set(answer.id, to);
  if (sent.size > 500) sent.delete(sent.keys().next().value);
  chat.add(to, { id: answer.id, from: self.id, time: answer.created, text, how: wayOf(d) });
}

function wayOf(d) {
  if (d.arrived) return `arrived, ${d.way}`;
  if (d.way === "none") return `not sent: ${d.problem}`;
  return `on its way, ${d.way}`;
}

// received shows a private message in the conversation with who sent it. Of a long one
// the stream of everything has only the beginning; the inbox has the rest.
export function received(m) {
  const others = m.to.filter((id) => id !== self.id);
  const bytes = bytesOf(m.data);
  const cut = m.size > bytes.length;
  const how = `private, ${m.way}` + (others.length ? `, also to ${others.map(short).join(" ")}` : "");
  chat.add(m.from, { id: m.id, from: m.from, time: m.received, text: shown(bytes, cut), cut, how });
  if (cut && m.seq > Number(upTo)) history().catch(() => {}); // it is read when the stream is opened again
}

export function receipt(r) {
  const to = sent.get(r.id);
  if (to) chat.add(to, { id: r.id, how: "arrived" });
}

// history reads what was not read of the inbox yet: what came before the page was
// opened, while it was cut off, and what is long.
export function history() {
  more = true;
  reading ??= readAll();
  return reading;
}
let more = false;
let reading = null;

async function readAll() {
  try {
    while (more) {
      more = false;
      await readInbox();
    }
  } finally {
    reading = null;
  }
}

// readInbox reads the inbox once. It is a stream, and what is kept comes at once; when
// nothing comes for a moment that was all.
async function readInbox() {
  const enough = new AbortController();
  let all = false;
  let timer = setTimeout(() => enough.abort(new Error("the node does not answer")), 3000);
  try {
    await follow("/v1/inbox?after=" + upTo, {}, enough.signal, (name, data, id) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        all = true;
        enough.abort();
      }, 300);
      if (id !== null) upTo = id;
      if (name === "message") received(data);
      else if (name === "receipt") receipt(data);
    });
  } catch (problem) {
    if (!all) throw problem;
  } finally {
    clearTimeout(timer);
  }
}
