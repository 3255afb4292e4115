// The video with what is drawn over it, the body beside it, the curves below: all on the frame that is shown.

import { BodyMesh, BodyOverlay, BodyRoom } from "./body3d.js";
import { Curves } from "./curves.js";
import { h } from "./dom.js";
import { Drawing } from "./keypoints.js";
import { Player } from "./player.js";

const SPEEDS = [1, 0.5, 0.25, 0.1];

export class Viewer {
  constructor({ clip, motion, body, dataset, src, fps }) {
    Object.assign(this, { clip, motion, body, dataset, fps });
    this.on = { body: true, keypoints: false, crop: false, ...JSON.parse(localStorage.getItem("drawn") ?? "{}") };
    this.stage = h("div.stage");
    this.side = h("div.room", { id: "room" });
    this.bar = h("div.controls");
    this.element = h("section.viewer", {}, h("div.screen", {}, this.stage, this.bar), this.side);
    this.aspect(motion?.width ?? clip.row.width, motion?.height ?? clip.row.height);
    if (clip.has_video)
      this.player = new Player({
        src, fps,
        frames: motion?.num_frames || clip.meta.num_frames || null,
        label: `Video of ${clip.row.uri}`,
        shown: (frame) => this.show(frame),
        failed: () => this.unseen("The video of this clip can't be had: its source is gone, or the file is damaged."),
      });
    else this.unseen("There is no video of this clip.");
  }

  aspect(width, height) {
    if (width && height) this.stage.style.setProperty("--aspect", width / height);
  }

  unseen(text) {
    this.player?.close();
    this.player = null;
    this.stage.replaceChildren(h("p.empty", { id: "player" }, text));
    this.bar.replaceChildren();
    if (this.motion) this.show(0);
  }

  /** Once the element stands in the page: canvases need their size. */
  start() {
    const { motion, body, player, dataset } = this;
    const solid = motion?.rest_joints && body;
    if (solid) {
      this.room = new BodyRoom(this.side, new BodyMesh(body, motion, dataset.smpl_parents));
      this.side.append(h("div.hint", {}, "drag to turn · 0 front"), this.sureness = h("div.sure"));
    } else {
      this.element.classList.add("flat");
      this.side.append(h("p.empty", {}, "No motion was fitted to this clip."));
    }
    if (motion) {
      this.curves = new Curves(motion, { joints: dataset.joint_names, seek: (k) => (player ?? this).seek(k) });
      this.element.append(this.curves.element);
      this.curves.draw();
    }
    if (!player) return motion && this.show(0);
    player.ready = () => this.furnish();
    player.changed = () => this.draw();
    this.stage.append(player.element);
    this.buttons();
    this.can = { body: Boolean(this.room), keypoints: Boolean(motion?.keypoints), crop: false };
    this.draw();
    this.show(0);
  }

  /** The video's true size is known: what is drawn over it can be placed. */
  furnish() {
    const { motion, player, clip } = this;
    const { videoWidth: width, videoHeight: height } = player.video;
    this.aspect(width, height);
    // A clip's own video is as large as its keypoints' picture; where it is of the source, they lie in the crop.
    const stored = { width: motion?.width ?? clip.meta.width ?? width, height: motion?.height ?? clip.meta.height ?? height };
    const crop = clip.meta.crop_xyxy ?? motion?.crop_xyxy;
    const own = Math.abs(width / height - stored.width / stored.height) < 0.02 || !crop;
    const [shown, across] = [clip.row.width || width, clip.row.height || height];
    const place = own
      ? { width: stored.width, height: stored.height }
      : { width: shown, height: across, x: crop[0], y: crop[1], scale: [(crop[2] - crop[0]) / stored.width, (crop[3] - crop[1]) / stored.height] };
    const within = crop && crop[2] <= shown + 1 && crop[3] <= across + 1; // a set without ledger knows no source size
    const frame = within && { box: crop, width: shown, height: across, map: own };
    this.scrub.max = player.last;
    this.layers = [];
    if (this.room) {
      const canvas = h("canvas.layer.body");
      player.element.append(canvas);
      this.over = new BodyOverlay(canvas, new BodyMesh(this.body, motion, this.dataset.smpl_parents), place);
    }
    const canvas = h("canvas.layer.points");
    player.element.append(canvas);
    this.drawing = new Drawing(canvas, { motion, edges: this.dataset.skeleton_edges, place, crop: frame });
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(player.element);
    this.resize();
    this.can.crop = Boolean(frame);
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.player.element;
    if (!clientWidth || !clientHeight) return;
    this.over?.resize(clientWidth, clientHeight);
    this.drawing.resize(clientWidth, clientHeight);
    this.paint();
  }

  buttons() {
    const { player } = this;
    const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, text);
    const layer = (name, text, key) => button(text, `${text} (${key})`, () => this.toggle(name), { dataset: { layer: name } });
    this.playing = button("▶", "Play or stop (space)", () => player.toggle(), { id: "play" });
    this.scrub = h("input.scrub", { type: "range", min: 0, max: player.last, step: 1, value: 0, "aria-label": "Frame", oninput: () => player.seek(Number(this.scrub.value)) });
    this.clock = h("output.clock");
    this.rate = button("1×", "Slow motion (s)", () => this.slower());
    this.bar.replaceChildren(
      h("div.line", {}, button("◂", "Frame back (,)", () => player.step(-1)), this.playing, button("▸", "Frame on (.)", () => player.step(1)), this.scrub, this.clock),
      h("div.line", {}, layer("body", "Body", "b"), layer("keypoints", "Keypoints", "p"), layer("crop", "Crop box", "c"), this.rate));
  }

  slower() {
    if (!this.player) return;
    const next = SPEEDS[(SPEEDS.indexOf(this.player.video.playbackRate) + 1) % SPEEDS.length];
    this.player.video.playbackRate = next;
    this.rate.textContent = `${next}×`;
  }

  toggle(name) {
    if (!this.can?.[name]) return;
    this.on[name] = !this.on[name];
    localStorage.setItem("drawn", JSON.stringify(this.on));
    this.draw();
  }

  /** Where there is no video the curves and the body can still be gone through. */
  seek(k) {
    this.show(Math.max(0, Math.min(k, this.motion.num_frames - 1)));
  }

  /** Frame k is on the screen: all else follows. */
  show(k) {
    this.frame = k;
    this.paint();
    if (this.motion && k < this.motion.num_frames) {
      this.room?.show(k);
      this.curves?.show(k);
      if (this.sureness)
        this.sureness.textContent = this.motion.valid[k] ? `confidence ${this.motion.confidence[k].toFixed(2)}` : "not valid: interpolated";
    }
    if (this.clock) {
      this.scrub.value = k;
      this.clock.textContent = `${k} / ${this.player.last} · ${(k / this.fps).toFixed(2)} s`;
    }
  }

  paint() {
    const row = this.motion && this.frame < this.motion.num_frames ? this.frame : null;
    if (this.over) {
      if (this.on.body && row !== null) this.over.draw(row);
      else this.over.clear();
      this.over.canvas.dataset.frame = this.on.body && row !== null ? row : "";
    }
    this.drawing?.draw(row ?? 0, this.on);
  }

  draw() {
    if (!this.player) return;
    this.playing.textContent = this.player.paused ? "▶" : "❚❚";
    for (const button of this.bar.querySelectorAll("[data-layer]")) {
      const can = this.can[button.dataset.layer];
      button.setAttribute("aria-pressed", Boolean(can && this.on[button.dataset.layer]));
      button.disabled = !can;
    }
    this.paint();
  }

  close() {
    this.watch?.disconnect();
    this.player?.close();
    this.over?.close();
    this.room?.close();
    this.curves?.close();
  }
}
