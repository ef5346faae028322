// What the node thinks of its health, and what it says of itself.
import { $, h, set, since, duration } from "./dom.js";
import { self } from "./model.js";

const rank = { error: 2, warning: 1, info: 0 };

// show lists findings, the worst first as they come.
export function show(findings) {
  const items = findings.map((f) =>
    h(
      "li",
      { "data-severity": f.severity, "data-code": f.code },
      h("strong", {}, f.title, h("code", {}, f.code + (f.about ? " " + f.about : ""))),
      h("span", {}, f.text),
      h("span", { className: "cure" }, f.cure ? "What to do: " + f.cure + (/[.!?]$/.test(f.cure) ? "" : ".") : ""),
      h("span", { className: "note" }, f.since ? `for ${since(f.since)}` : ""),
    ),
  );
  if (!items.length) items.push(h("li", { className: "well" }, h("strong", {}, "Nothing is amiss"), h("span", { className: "cure" }, "The node looks at itself every few seconds.")));
  $("findings").replaceChildren(...items);
  const serious = findings.filter((f) => rank[f.severity] > 0);
  const badge = $("health-badge");
  badge.hidden = !serious.length;
  badge.dataset.level = serious.some((f) => f.severity === "error") ? "error" : "warning";
  set(badge, serious.length);
}

// about shows the node's own summary.
export function about(status) {
  const rows = [
    ["Peer ID", self.id, "id"],
    ["Program", status.agent],
    ["Addresses", status.addrs.join("\n"), "id"],
    ["Network", status.network],
    ["Proof of work", `${status.difficulty_bits} bits`],
    ["Degree", status.degree],
    ["Data types taken", status.interests.join(", ") || "none"],
    ["Modules attached", status.modules],
    ["Rumors kept", `${status.rumors} of at most ${status.cache_size}`],
    ["Running for", duration(Date.now() - Date.parse(status.started))],
  ];
  $("about").replaceChildren(...rows.flatMap(([name, value, kind]) => [h("dt", {}, name), h("dd", { className: kind || "" }, ...lines(String(value)))]));
}

const lines = (text) => text.split("\n").flatMap((l, i) => (i ? [h("br"), l] : [l]));
