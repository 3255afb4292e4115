// The video, exact to the frame: `frame` is always the one that is shown, as the browser says, not the one asked for.

import { h } from "./dom.js";

const REPORT_MS = 700; // a frame that was sought is reported within this time, or it is sought again

export class Player {
  /** shown(frame): another frame is on the screen. frames: how many, or null where only the video itself knows. */
  constructor({ src, fps, frames, label, shown, failed }) {
    Object.assign(this, { fps, frames, shown, frame: null, wanted: null, repeats: 0 });
    this.video = h("video", { src, muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true, "aria-label": label });
    this.element = h("div.player", { id: "player" }, this.video);
    this.video.addEventListener("loadedmetadata", () => {
      this.frames ??= Math.max(1, Math.round(this.video.duration * fps));
      this.ready?.();
    });
    this.video.addEventListener("error", () => failed());
    this.video.addEventListener("seeked", () => this.settle());
    for (const event of ["play", "pause", "ended"]) this.video.addEventListener(event, () => this.changed?.());
    this.watch();
  }

  /** mediaTime is the presentation time of the very frame that is on the screen. */
  watch() {
    this.handle = this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      const frame = Math.max(0, Math.min(Math.round(mediaTime * this.fps), (this.frames ?? Infinity) - 1));
      if (frame !== this.frame) {
        this.frame = frame;
        this.element.dataset.frame = frame;
        this.shown(frame);
      }
      if (frame === this.wanted && !this.video.seeking) this.wanted = null;
      this.watch();
    });
  }

  get paused() {
    return this.video.paused;
  }

  get last() {
    return (this.frames ?? 1) - 1;
  }

  /** Shows frame k: its middle is sought, since a time on the border belongs to either neighbour. */
  seek(k) {
    this.video.pause();
    this.repeats = 0;
    this.wanted = Math.max(0, Math.min(k, this.last));
    if (!this.video.seeking) this.jump();
  }

  jump() {
    this.video.currentTime = (this.wanted + 0.5) / this.fps;
  }

  /** While a frame was sought another one was asked for: only the last one asked for is sought next. */
  settle() {
    if (this.wanted === null) return;
    if (Math.abs(this.video.currentTime - (this.wanted + 0.5) / this.fps) > 0.25 / this.fps) this.jump();
    else if (this.frame === this.wanted) this.wanted = null;
    else if (this.repeats < 3) this.seekAgainIfUnreported(this.wanted);
  }

  /** A busy browser may end a seek without a callback for its frame, and would show the old frame for ever. */
  seekAgainIfUnreported(k) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.wanted !== k || !this.video.paused || this.video.seeking) return;
      this.repeats += 1;
      this.video.currentTime = (k + 0.4) / this.fps;
    }, REPORT_MS);
  }

  step(by) {
    this.seek((this.wanted ?? this.frame ?? 0) + by);
  }

  toggle() {
    if (!this.video.paused) return this.video.pause();
    this.wanted = null;
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
