// Keyboard shortcuts: each page binds its keys, and the help lists them.

import { h } from "./dom.js";

const globalGroups = [];
let pageGroups = [];

/** keys: [{keys: ["j", "ArrowDown"], name: "next row", run}]; `group` is their heading in the help. */
export const bindGlobalKeys = (group, keys) => globalGroups.push({ group, keys });
export const bindPageKeys = (groups) => (pageGroups = groups);

const NAMES = { " ": "space", ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "esc", Enter: "enter" };

const isTextField = (node) =>
  node.isContentEditable ||
  ["TEXTAREA", "SELECT"].includes(node.tagName) ||
  (node.tagName === "INPUT" && !["range", "checkbox", "button"].includes(node.type));

/** Whether the focused element handles the key itself. */
function handlesKey(node, key) {
  if (node.tagName === "INPUT" && node.type === "range") return /^(Arrow|Home|End|Page)/.test(key);
  if (key === " " || key === "Enter") return ["BUTTON", "A", "SUMMARY", "INPUT"].includes(node.tagName);
  return false;
}

function handleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const help = document.getElementById("help");
  if (help.open) {
    if (event.key === "?" || event.key === "Escape") {
      help.close();
      event.preventDefault();
    }
    return;
  }
  if (isTextField(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (handlesKey(event.target, event.key)) return;
  for (const { keys } of [...pageGroups, ...globalGroups])
    for (const bound of keys)
      if (bound.keys.includes(event.key)) {
        event.preventDefault();
        bound.run(event);
        return;
      }
}

export function showHelp() {
  const help = document.getElementById("help");
  const columns = [...pageGroups, ...globalGroups].map(({ group, keys }) =>
    h("section", {}, h("h3", {}, group), h("dl", {}, keys.map((bound) => [
      h("dt", {}, bound.keys.map((key) => h("kbd", {}, NAMES[key] ?? key))),
      h("dd", {}, bound.name),
    ]))));
  help.replaceChildren(
    h("header", {}, h("h2", {}, "Keys"), h("button", { type: "button", title: "Close (esc)", onclick: () => help.close() }, "✕")),
    h("div.columns", {}, columns),
  );
  help.showModal();
}

export const listenForKeys = () => document.addEventListener("keydown", handleKey);
