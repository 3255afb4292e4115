// The page: which of its three views an address shows, and what all of them share.

import { get } from "./api.js";
import { clipPage } from "./clip.js";
import { h } from "./dom.js";
import { count, hours, many } from "./format.js";
import { bindAlways, bindPage, listen, showHelp } from "./keys.js";
import { listPage } from "./list.js";
import { marksSent } from "./marks.js";
import { runsPage } from "./runs.js";
import { address, restore, state } from "./state.js";

const page = document.getElementById("page");
let leave = () => {};
let turn = 0;

/** Shows the view of the present address; a view's function gives back what must be undone when one leaves. */
async function show() {
  const mine = ++turn;
  leave();
  leave = () => {};
  bindPage([]);
  const stale = () => mine !== turn; // one has gone on, while this view was still asking the server
  const path = location.pathname;
  document.body.dataset.view = path.startsWith("/clip/") ? "clip" : path === "/runs" ? "runs" : "list";
  try {
    await marksSent(); // the answers are to hold them
    if (stale()) return;
    const dataset = await get("/api/dataset").catch((error) => { // anew each time: its counts move while a build goes on
      if (error.status === 404 && document.body.dataset.view !== "clip") return null;
      throw error;
    });
    if (stale()) return;
    state.dataset = dataset;
    head();
    let undo;
    if (path.startsWith("/clip/")) undo = await clipPage(page, decodeURIComponent(path.slice("/clip/".length)), go, stale);
    else if (path === "/runs" || !state.dataset) undo = await runsPage(page, stale);
    else undo = listPage(page, go, restore());
    if (undo) leave = undo;
  } catch (error) {
    if (stale()) return;
    document.title = "HuMoVe explorer";
    page.replaceChildren(h("div.failed", {}, h("h1", {}, "This can't be shown"), h("p", {}, error.message),
      h("p", {}, h("a", { href: "/" }, "All clips"))));
  }
}

/** Goes to another address without loading the page anew. */
export function go(path, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  window.scrollTo(0, 0);
  return show();
}

/** What is said of a build that has not come to its end. */
function building(set) {
  if (!set.building) return [];
  if (set.running !== false) return [h("span.tag.open", { title: "The build goes on; reload to see what it has added" }, "building")];
  const hint = "run make dataset again";
  return [h("span.tag.rejected", { title: `The build was stopped: ${hint}` }, "stopped"), h("span", {}, hint)];
}

function head() {
  const set = state.dataset;
  document.getElementById("name").textContent = set ? set.name : "HuMoVe run";
  document.getElementById("facts").replaceChildren(
    ...(set
      ? [
          h("span", {}, `${count(set.num_kept)} of ${many(set.num_clips, "clip")} kept`),
          h("span", {}, hours(set.hours_kept)),
          h("span", {}, `${many(set.num_videos, "video")} with clips`),
          ...building(set),
          set.complete ? null : h("span.tag.rejected", { title: "There was no ledger: a rejected clip has one score at most, and sliders can't follow it further" }, "scores incomplete"),
        ].filter(Boolean)
      : []));
  const view = document.body.dataset.view;
  document.getElementById("tabs").replaceChildren(
    ...(set ? [h("a", { href: address(), "aria-current": view !== "runs" && "page" }, "Clips")] : []),
    ...(!set || set.has_runs ? [h("a", { href: "/runs", "aria-current": view === "runs" && "page" }, "Runs")] : []));
}

function theme() {
  const root = document.documentElement;
  const dark = getComputedStyle(root).colorScheme === "dark" ||
    (getComputedStyle(root).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.style.colorScheme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.style.colorScheme);
  document.dispatchEvent(new Event("theme"));
}

document.documentElement.style.colorScheme = localStorage.getItem("theme") ?? "";
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("theme")));
document.getElementById("theme").addEventListener("click", theme);
document.getElementById("help-button").addEventListener("click", showHelp);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
window.addEventListener("popstate", show);
bindAlways("Everywhere", [
  { keys: ["?"], said: "this help", run: showHelp },
  { keys: ["l"], said: "light or dark", run: theme },
]);
listen();
show();
