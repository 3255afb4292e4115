// The video, exact to the frame: `frame` is the one that the browser presents, not the one requested.

import { h } from "./dom.js";

const REPORT_MS = 700; // a seek whose frame is not reported within this time is repeated

export class Player {
  /** frames: their number, or null to derive it from the video. onFrame(frame): another frame is presented. */
  constructor({ src, fps, frames, label, onFrame, onError }) {
    Object.assign(this, { fps, frames, onFrame, frame: null, target: null, repeats: 0 });
    this.video = h("video", { src, muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true, "aria-label": label });
    this.element = h("div.player", { id: "player" }, this.video);
    this.video.addEventListener("loadedmetadata", () => {
      this.frames ??= Math.max(1, Math.round(this.video.duration * fps));
      this.onReady?.();
    });
    this.video.addEventListener("error", () => onError());
    this.video.addEventListener("seeked", () => this.checkSeek());
    for (const event of ["play", "pause", "ended"]) this.video.addEventListener(event, () => this.onStateChange?.());
    this.watchFrames();
  }

  /** Follows the presented frame; mediaTime is its presentation time. */
  watchFrames() {
    this.handle = this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      const frame = Math.max(0, Math.min(Math.round(mediaTime * this.fps), (this.frames ?? Infinity) - 1));
      if (frame !== this.frame) {
        this.frame = frame;
        this.element.dataset.frame = frame;
        this.onFrame(frame);
      }
      if (frame === this.target && !this.video.seeking) this.target = null;
      this.watchFrames();
    });
  }

  get paused() {
    return this.video.paused;
  }

  get last() {
    return (this.frames ?? 1) - 1;
  }

  /** Seeks the middle of frame k, since a time on the border may belong to either neighbour. */
  seek(k) {
    this.video.pause();
    this.repeats = 0;
    this.target = Math.max(0, Math.min(k, this.last));
    if (!this.video.seeking) this.seekTarget();
  }

  seekTarget() {
    this.video.currentTime = (this.target + 0.5) / this.fps;
  }

  /** After a seek, seeks again if another frame was requested meanwhile, or if the frame was not reported. */
  checkSeek() {
    if (this.target === null) return;
    if (Math.abs(this.video.currentTime - (this.target + 0.5) / this.fps) > 0.25 / this.fps) this.seekTarget();
    else if (this.frame === this.target) this.target = null;
    else if (this.repeats < 3) this.seekAgainIfUnreported(this.target);
  }

  /** A busy browser may end a seek without the frame callback; without this the old frame would stay. */
  seekAgainIfUnreported(k) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.target !== k || !this.video.paused || this.video.seeking) return;
      this.repeats += 1;
      this.video.currentTime = (k + 0.4) / this.fps;
    }, REPORT_MS);
  }

  step(by) {
    this.seek((this.target ?? this.frame ?? 0) + by);
  }

  toggle() {
    if (!this.video.paused) return this.video.pause();
    this.target = null;
    if (this.video.ended || this.frame === this.last) this.video.currentTime = 0;
    this.video.play();
  }

  close() {
    clearTimeout(this.timer);
    this.video.cancelVideoFrameCallback(this.handle);
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
