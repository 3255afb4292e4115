// A clip's page: its video and motion in sync, and all of its metadata.

import { clipUrl, getJson, postJson, videoUrl } from "./api.js";
import { makeCards } from "./cards.js";
import { makeOutcomeTag, splitUri } from "./columns.js";
import { h, showToast } from "./dom.js";
import { formatCount, parseRate, toWords } from "./format.js";
import { bindPageKeys } from "./keys.js";
import { LabelBox } from "./label_box.js";
import { getAddress, state } from "./state.js";
import { Viewer } from "./viewer.js";

let bodyRequest = null;
const loadBody = () => (bodyRequest ??= getJson("/api/body").catch((error) => { bodyRequest = null; throw error; }));

/** The frame rate of a clip cut from a source: halved until it is at most 60. */
function getCutRate(fps) {
  while (fps > 60) fps /= 2;
  return fps;
}

/** The previous and the next clip: in the list from which the clip was opened, else among all clips. */
async function findNeighbours(id, clip) {
  if (state.at) {
    const { body, index, address } = state.at;
    const first = Math.max(0, index - 1);
    const { rows, total } = await postJson("/api/clips", { ...body, offset: first, limit: 3 });
    if (rows[index - first]?.clip_id === id)
      return {
        previous: index > 0 ? rows[0].clip_id : null,
        next: rows[index - first + 1]?.clip_id ?? null,
        position: `${formatCount(index + 1)} of ${formatCount(total)} in the list`,
        step: (by) => (state.at = { body, index: index + by, address }),
      };
    state.at = null; // the list has changed
  }
  return { previous: clip.previous, next: clip.next, position: "by clip ID", step: () => {} };
}

export async function showClipPage(root, id, navigate, isStale) {
  const clip = await getJson(`/api/clip/${encodeURIComponent(id)}`);
  const { row } = clip;
  const [neighbours, motion] = await Promise.all([
    findNeighbours(id, clip),
    clip.has_motion || clip.has_keypoints ? getJson(`/api/clip/${encodeURIComponent(id)}/motion`).catch(showError) : null,
  ]);
  const body = motion?.rest_joints ? await loadBody().catch(showError) : null;
  if (isStale()) return null;
  const [folder, name] = splitUri(row.uri);
  document.title = `${name} · HuMoVe explorer`;
  const openNeighbour = (to, by) => {
    if (!to) return showToast(by < 0 ? "This is the first clip." : "This is the last clip.");
    neighbours.step(by);
    navigate(clipUrl(to), { replace: true });
  };
  const labelBox = new LabelBox(row);
  const viewer = new Viewer({
    clip, motion, body, dataset: state.dataset,
    src: videoUrl(id),
    fps: motion?.fps ?? (clip.meta.fps ? parseRate(clip.meta.fps) : getCutRate(row.fps)),
  });
  const goBack = () => navigate(state.at?.address ?? getAddress());
  const makeArrow = (to, by, text, key) => h("a.button", {
    href: to ? clipUrl(to) : undefined, "aria-disabled": !to, title: `${by < 0 ? "Previous clip" : "Next clip"} (${key})`,
    onclick: (event) => { event.preventDefault(); event.stopPropagation(); openNeighbour(to, by); },
  }, text);
  root.replaceChildren(h("article.clip-page", { dataset: { clip: id } },
    h("header.title", {},
      h("a.button", { href: state.at?.address ?? getAddress(), title: "Back to the list (esc)" }, "← List"),
      h("div.heading", {},
        h("h1", { title: row.uri }, h("span.dim", {}, folder), name),
        h("p", {}, makeOutcomeTag(row.outcome), row.reason ? h("b.reason", {}, toWords(row.reason)) : null, row.detail ? h("span", {}, row.detail) : null,
          h("code", {}, row.clip_id))),
      labelBox.element,
      h("nav", {}, makeArrow(neighbours.previous, -1, "‹", "["), h("span.dim", { id: "place" }, neighbours.position), makeArrow(neighbours.next, 1, "›", "]"))),
    state.dataset.complete ? null : h("p.note", {}, "This data set has no ledger: most scores, and the videos of dropped clips, are not available."),
    viewer.element,
    h("div.cards", {}, makeCards(clip, state))));
  viewer.start();
  const toggleLayer = (name) => () => viewer.toggleLayer(name);
  bindPageKeys([
    { group: "Frames", keys: [
      { keys: [" "], name: "play or pause", run: () => viewer.player?.toggle() },
      { keys: [","], name: "previous frame", run: () => viewer.player?.step(-1) },
      { keys: ["."], name: "next frame", run: () => viewer.player?.step(1) },
      { keys: ["<"], name: "ten frames back", run: () => viewer.player?.step(-10) },
      { keys: [">"], name: "ten frames forward", run: () => viewer.player?.step(10) },
      { keys: ["Home"], name: "first frame", run: () => viewer.player?.seek(0) },
      { keys: ["End"], name: "last frame", run: () => viewer.player?.seek(Infinity) },
      { keys: ["s"], name: "slow motion", run: () => viewer.changeSpeed() },
      { keys: ["b"], name: "body", run: toggleLayer("body") },
      { keys: ["p"], name: "keypoints", run: toggleLayer("keypoints") },
      { keys: ["c"], name: "crop box", run: toggleLayer("crop") },
    ] },
    { group: "3D", keys: [
      { keys: ["ArrowLeft", "ArrowRight"], name: "rotate the body", run: (e) => viewer.room?.turn(e.key === "ArrowLeft" ? -0.12 : 0.12, 0) },
      { keys: ["ArrowUp", "ArrowDown"], name: "view from above, from below", run: (e) => viewer.room?.turn(0, e.key === "ArrowUp" ? -0.1 : 0.1) },
      { keys: ["+", "-"], name: "zoom in, out", run: (e) => viewer.room?.zoom(e.key === "+" ? 0.88 : 1.14) },
      { keys: ["0"], name: "reset to the front view", run: () => viewer.room?.resetView() },
    ] },
    { group: "Clip", keys: [
      { keys: ["["], name: "previous clip", run: () => openNeighbour(neighbours.previous, -1) },
      { keys: ["]"], name: "next clip", run: () => openNeighbour(neighbours.next, 1) },
      { keys: ["g"], name: "label good", run: () => labelBox.set("good") },
      { keys: ["x"], name: "label bad", run: () => labelBox.set("bad") },
      { keys: ["u"], name: "clear label", run: () => labelBox.set("") },
      { keys: ["w"], name: "add reason", run: () => labelBox.reason.focus() },
      { keys: ["Escape"], name: "back to the list", run: goBack },
    ] },
  ]);
  return () => viewer.close();
}

function showError(error) {
  showToast(error.message, true);
  return null;
}
