// Private messages, as conversations of the chat.
import { bytesOf, base64Of, shown, short } from "./dom.js";
import { self } from "./model.js";
import { ask, follow } from "./api.js";
import * as chat from "./chat.js";

const sent = new Map(); // own messages whose receipts are awaited: ID → recipients

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

// received shows a private message in the conversation with who sent it.
export function received(m) {
  const others = m.to.filter((id) => id !== self.id);
  const text = shown(bytesOf(m.data), m.size > bytesOf(m.data).length);
  const how = `private, ${m.way}` + (others.length ? `, also to ${others.map(short).join(" ")}` : "");
  chat.add(m.from, { id: m.id, from: m.from, time: m.received, text, how });
}

export function receipt(r) {
  const to = sent.get(r.id);
  if (to) chat.add(to, { id: r.id, how: "arrived" });
}

// history reads what came before the page was opened. The inbox is a stream, and
// what is kept comes at once; when nothing comes for a moment that was all.
export async function history() {
  const enough = new AbortController();
  let timer = setTimeout(() => enough.abort(), 3000);
  try {
    await follow("/v1/inbox?after=0", {}, enough.signal, (name, data) => {
      clearTimeout(timer);
      timer = setTimeout(() => enough.abort(), 300);
      if (name === "message") received(data);
    });
  } catch (problem) {
    if (!enough.signal.aborted) throw problem;
  } finally {
    clearTimeout(timer);
  }
}
