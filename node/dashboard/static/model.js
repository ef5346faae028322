// What the page knows of the node's surroundings, kept current by events.

export const peers = new Map(); // by ID, as GET /v1/peers tells
export const via = new Map(); // origin → the neighbour by whom its news come
export const self = { id: "", network: "", agent: "", started: "", addrs: [] };

// States from the closest to the farthest, and how they are drawn.
export const states = ["neighbour", "member", "suspect", "known", "down", "lost", "left"];

const away = new Set(["down", "lost", "left"]);
export const isAway = (state) => away.has(state);

export function looks(state) {
  if (away.has(state)) return "away";
  return state;
}

export const rank = (p) => states.indexOf(p.state);

export function replaceAll(list) {
  peers.clear();
  for (const p of list) peers.set(p.id, p);
}

export function change({ changed, gone }) {
  for (const p of changed) peers.set(p.id, p);
  for (const id of gone) {
    peers.delete(id);
    via.delete(id);
  }
}
