// The keyboard: a page binds its keys with what they do, and the help shows what is bound.

import { h } from "./dom.js";

const always = [];
let page = [];

/** keys: [{keys: ["j", "ArrowDown"], said: "next row", run}]; `group` names them in the help. */
export const bindAlways = (group, keys) => always.push({ group, keys });
export const bindPage = (groups) => (page = groups);

const NAMES = { " ": "space", ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "esc", Enter: "enter" };

const writing = (node) =>
  node.isContentEditable ||
  ["TEXTAREA", "SELECT"].includes(node.tagName) ||
  (node.tagName === "INPUT" && !["range", "checkbox", "button"].includes(node.type));

/** Whether the focused element has its own use for the key. */
function taken(node, key) {
  if (node.tagName === "INPUT" && node.type === "range") return /^(Arrow|Home|End|Page)/.test(key);
  if (key === " " || key === "Enter") return ["BUTTON", "A", "SUMMARY", "INPUT"].includes(node.tagName);
  return false;
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const help = document.getElementById("help");
  if (help.open) {
    if (event.key === "?" || event.key === "Escape") {
      help.close();
      event.preventDefault();
    }
    return;
  }
  if (writing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (taken(event.target, event.key)) return;
  for (const { keys } of [...page, ...always])
    for (const bound of keys)
      if (bound.keys.includes(event.key)) {
        event.preventDefault();
        bound.run(event);
        return;
      }
}

export function showHelp() {
  const help = document.getElementById("help");
  const columns = [...page, ...always].map(({ group, keys }) =>
    h("section", {}, h("h3", {}, group), h("dl", {}, keys.map((bound) => [
      h("dt", {}, bound.keys.map((key) => h("kbd", {}, NAMES[key] ?? key))),
      h("dd", {}, bound.said),
    ]))));
  help.replaceChildren(
    h("header", {}, h("h2", {}, "Keys"), h("button", { type: "button", title: "Close (esc)", onclick: () => help.close() }, "✕")),
    h("div.columns", {}, columns),
  );
  help.showModal();
}

export const listen = () => document.addEventListener("keydown", pressed);
