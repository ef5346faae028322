// The node's control API: getting in, asking, and the one stream of events.

const key = "hearsay-session";
let token = sessionStorage.getItem(key);

// Refused is an answer that says no: what was wrong, and what to do.
export class Refused extends Error {
  constructor(status, what, hint) {
    super(what);
    this.status = status;
    this.hint = hint;
  }
}

// enter changes the code of a link for a session. The code leaves the address bar
// before anything else can see it.
export async function enter() {
  const code = location.hash.slice(1);
  if (code) {
    history.replaceState(null, "", location.pathname);
    const session = await ask("POST", "/v1/sessions", { code }, false);
    token = session.token;
    sessionStorage.setItem(key, token);
  }
  return Boolean(token);
}

export function forget() {
  token = null;
  sessionStorage.removeItem(key);
}

function headers(more = {}) {
  return token ? { Authorization: "Bearer " + token, ...more } : more;
}

// ask sends a request and returns the answer; it throws Refused if the node
// refuses.
export async function ask(method, path, body, known = true) {
  const response = await fetch(path, {
    method,
    headers: { ...(known ? headers() : {}), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer.error || "the node answered " + response.status, answer.hint);
  return answer;
}

export const get = (path) => ask("GET", path);

// Events reads the stream, and takes it up again where it was when it breaks.
// handlers: opening() before each try, event(name, data), opened() after it and after a
// gap, state(word, detail), denied().
export class Events {
  constructor(handlers) {
    this.on = handlers;
    this.last = "0"; // all that is remembered: a page that is loaded again shows it
    this.types = [];
    this.attempts = 0;
    this.live = false;
  }

  // take has the node take data types while the page is open.
  take(types) {
    this.types = types;
    this.stop();
    this.run();
  }

  stop() {
    this.abort?.abort();
    this.live = false;
    clearTimeout(this.timer);
  }

  async run() {
    const abort = (this.abort = new AbortController());
    try {
      await this.on.opening();
      await this.read(abort.signal);
    } catch (problem) {
      if (abort.signal.aborted) return;
      if (problem instanceof Refused && problem.status === 401) {
        this.on.denied();
        return;
      }
      this.reason = problem instanceof Refused ? problem.message : "the node does not answer";
    }
    if (abort.signal.aborted) return;
    this.live = false;
    this.attempts++;
    const pause = Math.min(10000, 500 * 2 ** Math.min(this.attempts, 5)) * (0.75 + Math.random() / 2);
    this.on.state("lost", this.reason || "the stream ended");
    this.timer = setTimeout(() => this.run(), pause);
  }

  read(signal) {
    const query = new URLSearchParams(this.types.map((t) => ["type", t]));
    return follow("/v1/events?" + query, { "Last-Event-ID": this.last }, signal, (name, message, id) => {
      this.attempts = 0;
      this.reason = "";
      if (id !== null) this.last = id;
      if (name === "open") {
        this.live = true;
        this.on.state("live");
        this.on.opened();
      } else if (name === "gap") {
        this.on.opened();
      } else {
        this.on.event(name, message);
      }
    });
  }
}

// follow reads a stream of server-sent events until it ends. EventSource cannot
// send a token.
export async function follow(path, more, signal, each) {
  const response = await fetch(path, { headers: headers(more), signal, cache: "no-store", credentials: "omit", redirect: "error" });
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Refused(response.status, answer.error || "the node answered " + response.status, answer.hint);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      dispatch(rest.slice(0, end), each);
      rest = rest.slice(end + 2);
    }
  }
}

function dispatch(text, each) {
  let name = "";
  let data = "";
  let id = null;
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    const field = line.slice(0, colon);
    const value = line.slice(colon + 2);
    if (field === "event") name = value;
    else if (field === "data") data += value;
    else if (field === "id") id = value;
  }
  if (name) each(name, JSON.parse(data), id); // else it is a sign of life
}
