// Where everybody is in the picture: this node in the middle, its neighbours on a
// ring, and behind each neighbour those whose news it brings. Who is known without
// a way is at the bottom. Places depend on IDs and on who is there, not on chance,
// so that the picture stays what it was when somebody comes or goes.
import { peers, via, isAway } from "./model.js";
import { hash } from "./dom.js";

const full = Math.PI * 2;

// layout gives each peer a place {x, y, r} in units of which the picture is about
// 2 wide and high, and its parent: the neighbour before it, "" = none.
export function layout() {
  const neighbours = [];
  const behind = new Map();
  const loose = [];
  for (const p of peers.values()) if (p.state === "neighbour") neighbours.push(p);
  neighbours.sort((a, b) => hash(a.id) - hash(b.id));
  for (const p of neighbours) behind.set(p.id, []);
  for (const p of peers.values()) {
    if (p.state === "neighbour") continue;
    const parent = isAway(p.state) || p.state === "known" ? undefined : behind.get(via.get(p.id));
    (parent || loose).push(p);
  }
  const order = (a, b) => isAway(a.state) - isAway(b.state) || hash(a.id) - hash(b.id);
  const places = new Map();
  const sectors = neighbours.map((p) => ({ id: p.id, list: behind.get(p.id).sort(order) }));
  if (loose.length) sectors.push({ id: "", list: loose.sort(order) });
  if (!sectors.length) return places;

  // Room by number, so that all stand about equally deep.
  const weight = (s) => (s.id ? 1.4 : 0.7) + s.list.length * 0.2;
  const total = sectors.reduce((sum, s) => sum + weight(s), 0);
  const crowd = peers.size;
  const ring = neighbours.length > 24 ? 0.52 : 0.46;
  const dot = crowd > 250 ? 0.011 : crowd > 80 ? 0.016 : crowd > 25 ? 0.02 : 0.023;
  const step = dot * 3.4;
  // The loose sector is centred at the bottom.
  const last = sectors.at(-1);
  let angle = last.id ? (-weight(sectors[0]) / total / 2) * full : Math.PI / 2 + (weight(last) / total / 2) * full;
  for (const s of sectors) {
    const width = (weight(s) / total) * full;
    const middle = angle + width / 2;
    if (s.id) places.set(s.id, { x: Math.cos(middle) * ring, y: Math.sin(middle) * ring, r: Math.max(dot * 1.5, 0.018), parent: "" });
    rows(s, angle, width, Math.max(ring + 0.17, 0.66), step, dot, places);
    angle += width;
  }
  return places;
}

// rows places the members of a sector in arcs, one behind the other.
function rows(sector, from, width, radius, step, dot, places) {
  let i = 0;
  const list = sector.list;
  for (let row = 0; i < list.length; row++, radius += step) {
    const room = width * 0.86;
    const most = Math.max(1, Math.floor((room * radius) / step) + 1);
    const n = Math.min(most, list.length - i);
    const apart = n > 1 ? Math.min(room / (n - 1), (step * 2.2) / radius) : 0;
    for (let k = 0; k < n; k++, i++) {
      const a = from + width / 2 + (k - (n - 1) / 2) * apart;
      places.set(list[i].id, { x: Math.cos(a) * radius, y: Math.sin(a) * radius, r: dot, parent: sector.id });
    }
  }
}
