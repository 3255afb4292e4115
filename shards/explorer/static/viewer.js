// The video with its overlays, the body beside it and the curves below, all on the presented frame.

import { BodyMesh, BodyOverlay, BodyRoom } from "./body3d.js";
import { Curves } from "./curves.js";
import { h } from "./dom.js";
import { KeypointLayer } from "./keypoints.js";
import { Player } from "./player.js";

const SPEEDS = [1, 0.5, 0.25, 0.1];

export class Viewer {
  constructor({ clip, motion, body, dataset, src, fps }) {
    Object.assign(this, { clip, motion, body, dataset, fps });
    this.visible = { body: true, keypoints: false, crop: false, ...JSON.parse(localStorage.getItem("drawn") ?? "{}") };
    this.stage = h("div.stage");
    this.side = h("div.room", { id: "room" });
    this.controls = h("div.controls");
    this.element = h("section.viewer", {}, h("div.screen", {}, this.stage, this.controls), this.side);
    this.setAspect(motion?.width ?? clip.row.width, motion?.height ?? clip.row.height);
    if (clip.has_video)
      this.player = new Player({
        src, fps,
        frames: motion?.num_frames || clip.meta.num_frames || null,
        label: `Video of ${clip.row.uri}`,
        onFrame: (frame) => this.show(frame),
        onError: () => this.showNoVideo("The video of this clip is not available: its source is missing, or the file is damaged."),
      });
    else this.showNoVideo("There is no video of this clip.");
  }

  setAspect(width, height) {
    if (width && height) this.stage.style.setProperty("--aspect", width / height);
  }

  showNoVideo(text) {
    this.player?.close();
    this.player = null;
    this.stage.replaceChildren(h("p.empty", { id: "player" }, text));
    this.controls.replaceChildren();
    if (this.motion) this.show(0);
  }

  /** Draws everything; called when the element is in the page, because canvases need their size. */
  start() {
    const { motion, body, player, dataset } = this;
    if (motion?.rest_joints && body) {
      this.room = new BodyRoom(this.side, new BodyMesh(body, motion, dataset.smpl_parents));
      this.side.append(h("div.hint", {}, "drag to rotate · 0 front"), this.confidence = h("div.confidence"));
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
    player.onReady = () => this.addLayers();
    player.onStateChange = () => this.draw();
    this.stage.append(player.element);
    this.addControls();
    this.available = { body: Boolean(this.room), keypoints: Boolean(motion?.keypoints), crop: false };
    this.draw();
    this.show(0);
  }

  /** Adds the overlays once the size of the video is known. */
  addLayers() {
    const { motion, player, clip } = this;
    const { videoWidth: width, videoHeight: height } = player.video;
    this.setAspect(width, height);
    // The stored clip has the size of its keypoints' frame; in a video of the source, keypoints lie in the crop.
    const stored = { width: motion?.width ?? clip.meta.width ?? width, height: motion?.height ?? clip.meta.height ?? height };
    const crop = clip.meta.crop_xyxy ?? motion?.crop_xyxy;
    const isStored = Math.abs(width / height - stored.width / stored.height) < 0.02 || !crop;
    const source = { width: clip.row.width || width, height: clip.row.height || height };
    const place = isStored
      ? { width: stored.width, height: stored.height }
      : { ...source, x: crop[0], y: crop[1], scale: [(crop[2] - crop[0]) / stored.width, (crop[3] - crop[1]) / stored.height] };
    const inside = crop && crop[2] <= source.width + 1 && crop[3] <= source.height + 1; // else the source's size is unknown
    const cropBox = inside && { box: crop, ...source, map: isStored };
    this.scrub.max = player.last;
    if (this.room) {
      const canvas = h("canvas.layer.body");
      player.element.append(canvas);
      this.bodyLayer = new BodyOverlay(canvas, new BodyMesh(this.body, motion, this.dataset.smpl_parents), place);
    }
    const canvas = h("canvas.layer.points");
    player.element.append(canvas);
    this.keypointLayer = new KeypointLayer(canvas, { motion, edges: this.dataset.skeleton_edges, place, crop: cropBox });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(player.element);
    this.resize();
    this.available.crop = Boolean(cropBox);
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.player.element;
    if (!clientWidth || !clientHeight) return;
    this.bodyLayer?.resize(clientWidth, clientHeight);
    this.keypointLayer.resize(clientWidth, clientHeight);
    this.drawLayers();
  }

  addControls() {
    const { player } = this;
    const makeButton = (text, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, text);
    const makeLayerButton = (name, text, key) => makeButton(text, `${text} (${key})`, () => this.toggleLayer(name), { dataset: { layer: name } });
    this.playButton = makeButton("▶", "Play or pause (space)", () => player.toggle(), { id: "play" });
    this.scrub = h("input.scrub", { type: "range", min: 0, max: player.last, step: 1, value: 0, "aria-label": "Frame", oninput: () => player.seek(Number(this.scrub.value)) });
    this.clock = h("output.clock");
    this.speedButton = makeButton("1×", "Slow motion (s)", () => this.changeSpeed());
    this.controls.replaceChildren(
      h("div.line", {}, makeButton("◂", "Previous frame (,)", () => player.step(-1)), this.playButton, makeButton("▸", "Next frame (.)", () => player.step(1)), this.scrub, this.clock),
      h("div.line", {}, makeLayerButton("body", "Body", "b"), makeLayerButton("keypoints", "Keypoints", "p"), makeLayerButton("crop", "Crop box", "c"), this.speedButton));
  }

  changeSpeed() {
    if (!this.player) return;
    const next = SPEEDS[(SPEEDS.indexOf(this.player.video.playbackRate) + 1) % SPEEDS.length];
    this.player.video.playbackRate = next;
    this.speedButton.textContent = `${next}×`;
  }

  toggleLayer(name) {
    if (!this.available?.[name]) return;
    this.visible[name] = !this.visible[name];
    localStorage.setItem("drawn", JSON.stringify(this.visible));
    this.draw();
  }

  /** Shows frame k of the curves and the body where there is no video. */
  seek(k) {
    this.show(Math.max(0, Math.min(k, this.motion.num_frames - 1)));
  }

  /** Draws everything for frame k, which the video presents. */
  show(k) {
    this.frame = k;
    this.drawLayers();
    if (this.motion && k < this.motion.num_frames) {
      this.room?.show(k);
      this.curves?.show(k);
      if (this.confidence)
        this.confidence.textContent = this.motion.valid[k] ? `confidence ${this.motion.confidence[k].toFixed(2)}` : "interpolated (no detection)";
    }
    if (this.clock) {
      this.scrub.value = k;
      this.clock.textContent = `${k} / ${this.player.last} · ${(k / this.fps).toFixed(2)} s`;
    }
  }

  drawLayers() {
    const row = this.motion && this.frame < this.motion.num_frames ? this.frame : null;
    if (this.bodyLayer) {
      if (this.visible.body && row !== null) this.bodyLayer.draw(row);
      else this.bodyLayer.clear();
      this.bodyLayer.canvas.dataset.frame = this.visible.body && row !== null ? row : "";
    }
    this.keypointLayer?.draw(row ?? 0, this.visible);
  }

  draw() {
    if (!this.player) return;
    this.playButton.textContent = this.player.paused ? "▶" : "❚❚";
    for (const button of this.controls.querySelectorAll("[data-layer]")) {
      const available = this.available[button.dataset.layer];
      button.setAttribute("aria-pressed", Boolean(available && this.visible[button.dataset.layer]));
      button.disabled = !available;
    }
    this.drawLayers();
  }

  close() {
    this.observer?.disconnect();
    this.player?.close();
    this.bodyLayer?.close();
    this.room?.close();
    this.curves?.close();
  }
}
