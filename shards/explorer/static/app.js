// The page: selects the view of an address, and draws what all three views share.

import { getJson } from "./api.js";
import { showClipPage } from "./clip.js";
import { h } from "./dom.js";
import { countNoun, formatCount, formatHours } from "./format.js";
import { bindGlobalKeys, bindPageKeys, listenForKeys, showHelp } from "./keys.js";
import { waitForLabels } from "./labels.js";
import { showListPage } from "./list.js";
import { showRunsPage } from "./runs.js";
import { getAddress, restoreState, state } from "./state.js";

const page = document.getElementById("page");
let closeView = () => {};
let lastVisit = 0;

/** Shows the view of the current address; a view's function returns the function that closes it. */
async function showView() {
  const visit = ++lastVisit;
  closeView();
  closeView = () => {};
  bindPageKeys([]);
  const isStale = () => visit !== lastVisit; // another view was opened while this one was loading
  const path = location.pathname;
  document.body.dataset.view = path.startsWith("/clip/") ? "clip" : path === "/runs" ? "runs" : "list";
  try {
    await waitForLabels(); // so that the server's answers contain them
    if (isStale()) return;
    const dataset = await getJson("/api/dataset").catch((error) => { // every time: its counts change during a build
      if (error.status === 404 && document.body.dataset.view !== "clip") return null;
      throw error;
    });
    if (isStale()) return;
    state.dataset = dataset;
    drawHeader();
    let close;
    if (path.startsWith("/clip/")) close = await showClipPage(page, decodeURIComponent(path.slice("/clip/".length)), navigate, isStale);
    else if (path === "/runs" || !state.dataset) close = await showRunsPage(page, isStale);
    else close = showListPage(page, navigate, restoreState());
    if (close) closeView = close;
  } catch (error) {
    if (isStale()) return;
    document.title = "HuMoVe explorer";
    page.replaceChildren(h("div.failed", {}, h("h1", {}, "Page could not be loaded"), h("p", {}, error.message),
      h("p", {}, h("button", { type: "button", onclick: showView }, "Retry"), " ", h("a", { href: "/" }, "All clips"))));
  }
}

/** Shows another address without reloading the page. */
function navigate(path, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  window.scrollTo(0, 0);
  return showView();
}

/** The tags of an unfinished build. */
function describeBuild(set) {
  if (!set.building) return [];
  if (set.running !== false) return [h("span.tag.open", { title: "The build is running; reload to see new clips" }, "building")];
  const hint = "run make dataset again";
  return [h("span.tag.rejected", { title: `The build was stopped: ${hint}` }, "stopped"), h("span", {}, hint)];
}

function drawHeader() {
  const set = state.dataset;
  document.getElementById("name").textContent = set ? set.name : "HuMoVe run";
  document.getElementById("facts").replaceChildren(
    ...(set
      ? [
          h("span", {}, `${formatCount(set.num_kept)} of ${countNoun(set.num_clips, "clip")} kept`),
          h("span", {}, formatHours(set.hours_kept)),
          h("span", {}, `${countNoun(set.num_videos, "video")} with clips`),
          ...describeBuild(set),
          set.complete ? null : h("span.tag.rejected", { title: "No ledger was found: a rejected clip has at most one score, and other thresholds can't be previewed" }, "scores incomplete"),
        ].filter(Boolean)
      : []));
  const view = document.body.dataset.view;
  document.getElementById("tabs").replaceChildren(
    ...(set ? [h("a", { href: getAddress(), "aria-current": view !== "runs" && "page" }, "Clips")] : []),
    ...(!set || set.has_runs ? [h("a", { href: "/runs", "aria-current": view === "runs" && "page" }, "Runs")] : []));
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = getComputedStyle(root).colorScheme === "dark" ||
    (getComputedStyle(root).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.style.colorScheme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.style.colorScheme);
  document.dispatchEvent(new Event("theme"));
}

document.documentElement.style.colorScheme = localStorage.getItem("theme") ?? "";
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("theme")));
document.getElementById("theme").addEventListener("click", toggleTheme);
document.getElementById("help-button").addEventListener("click", showHelp);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
});
window.addEventListener("popstate", showView);
bindGlobalKeys("Everywhere", [
  { keys: ["?"], name: "this help", run: showHelp },
  { keys: ["l"], name: "light or dark", run: toggleTheme },
]);
listenForKeys();
showView();
