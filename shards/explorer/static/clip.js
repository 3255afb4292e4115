// A clip's page: its video and its motion in step, and everything that is known of it.

import { clipUrl, get, post, videoUrl } from "./api.js";
import { cards } from "./cards.js";
import { split, tag } from "./columns.js";
import { h, toast } from "./dom.js";
import { count, rate, words } from "./format.js";
import { bindPage } from "./keys.js";
import { MarkBox } from "./markbox.js";
import { address, state } from "./state.js";
import { Viewer } from "./viewer.js";

let bodyAsked = null;
const body = () => (bodyAsked ??= get("/api/body").catch((error) => { bodyAsked = null; throw error; }));

/** The rate at which a clip is cut from a source: above 60 it is halved until it is not. */
function cutRate(fps) {
  while (fps > 60) fps /= 2;
  return fps;
}

/** The clips before and after: of the list that one came from, or else of all clips. */
async function neighbours(id, clip) {
  if (state.at) {
    const { body: asked, index, address: list } = state.at;
    const first = Math.max(0, index - 1);
    const { rows, total } = await post("/api/clips", { ...asked, offset: first, limit: 3 });
    if (rows[index - first]?.clip_id === id)
      return {
        previous: index > 0 ? rows[0].clip_id : null,
        next: rows[index - first + 1]?.clip_id ?? null,
        said: `${count(index + 1)} of ${count(total)} in the list`,
        step: (by) => (state.at = { body: asked, index: index + by, address: list }),
      };
    state.at = null; // the list is another one by now
  }
  return { previous: clip.previous, next: clip.next, said: "in clip order", step: () => {} };
}

export async function clipPage(root, id, go, stale) {
  const clip = await get(`/api/clip/${encodeURIComponent(id)}`);
  const { row } = clip;
  const [beside, motion] = await Promise.all([
    neighbours(id, clip),
    clip.has_motion || clip.has_keypoints ? get(`/api/clip/${encodeURIComponent(id)}/motion`).catch(said) : null,
  ]);
  const figure = motion?.rest_joints ? await body().catch(said) : null;
  if (stale()) return null;
  const [folder, name] = split(row.uri);
  document.title = `${name} · HuMoVe explorer`;
  const turn = (to, by) => {
    if (!to) return toast(by < 0 ? "This is the first one." : "This is the last one.");
    beside.step(by);
    go(clipUrl(to), { replace: true });
  };
  const marks = new MarkBox(row);
  const viewer = new Viewer({
    clip, motion, body: figure, dataset: state.dataset,
    src: videoUrl(id),
    fps: motion?.fps ?? (clip.meta.fps ? rate(clip.meta.fps) : cutRate(row.fps)),
  });
  const back = () => go(state.at?.address ?? address());
  const arrow = (to, by, text, key) => h("a.button", {
    href: to ? clipUrl(to) : undefined, "aria-disabled": !to, title: `${by < 0 ? "Clip before" : "Next clip"} (${key})`,
    onclick: (event) => { event.preventDefault(); event.stopPropagation(); turn(to, by); },
  }, text);
  root.replaceChildren(h("article.clip-page", { dataset: { clip: id } },
    h("header.title", {},
      h("a.button", { href: state.at?.address ?? address(), title: "Back to the list (esc)" }, "← List"),
      h("div.what", {},
        h("h1", { title: row.uri }, h("span.dim", {}, folder), name),
        h("p", {}, tag(row.outcome), row.reason ? h("b.reason", {}, words(row.reason)) : null, row.detail ? h("span", {}, row.detail) : null,
          h("code", {}, row.clip_id))),
      marks.element,
      h("nav", {}, arrow(beside.previous, -1, "‹", "["), h("span.dim", { id: "place" }, beside.said), arrow(beside.next, 1, "›", "]"))),
    state.dataset.complete ? null : h("p.note", {}, "This data set has no ledger any more: most scores, and the videos of clips that were dropped, are gone with it."),
    viewer.element,
    h("div.cards", {}, cards(clip, state))));
  viewer.start();
  const toggle = (name) => () => viewer.toggle(name);
  bindPage([
    { group: "Frames", keys: [
      { keys: [" "], said: "play or stop", run: () => viewer.player?.toggle() },
      { keys: [","], said: "frame back", run: () => viewer.player?.step(-1) },
      { keys: ["."], said: "frame on", run: () => viewer.player?.step(1) },
      { keys: ["<"], said: "ten frames back", run: () => viewer.player?.step(-10) },
      { keys: [">"], said: "ten frames on", run: () => viewer.player?.step(10) },
      { keys: ["Home"], said: "first frame", run: () => viewer.player?.seek(0) },
      { keys: ["End"], said: "last frame", run: () => viewer.player?.seek(Infinity) },
      { keys: ["s"], said: "slow motion", run: () => viewer.slower() },
      { keys: ["b"], said: "body", run: toggle("body") },
      { keys: ["p"], said: "keypoints", run: toggle("keypoints") },
      { keys: ["c"], said: "crop box", run: toggle("crop") },
    ] },
    { group: "3D", keys: [
      { keys: ["ArrowLeft", "ArrowRight"], said: "turn the body", run: (e) => viewer.room?.turn(e.key === "ArrowLeft" ? -0.12 : 0.12, 0) },
      { keys: ["ArrowUp", "ArrowDown"], said: "look from above, from below", run: (e) => viewer.room?.turn(0, e.key === "ArrowUp" ? -0.1 : 0.1) },
      { keys: ["+", "-"], said: "nearer, farther", run: (e) => viewer.room?.zoom(e.key === "+" ? 0.88 : 1.14) },
      { keys: ["0"], said: "from the front again", run: () => viewer.room?.front() },
    ] },
    { group: "Clip", keys: [
      { keys: ["["], said: "clip before", run: () => turn(beside.previous, -1) },
      { keys: ["]"], said: "next clip", run: () => turn(beside.next, 1) },
      { keys: ["g"], said: "mark good", run: () => marks.set("good") },
      { keys: ["x"], said: "mark bad", run: () => marks.set("bad") },
      { keys: ["u"], said: "take the mark away", run: () => marks.set("") },
      { keys: ["w"], said: "say why", run: () => marks.why.focus() },
      { keys: ["Escape"], said: "back to the list", run: back },
    ] },
  ]);
  return () => viewer.close();
}

function said(error) {
  toast(error.message, true);
  return null;
}
