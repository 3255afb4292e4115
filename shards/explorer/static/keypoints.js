// The overlay of keypoints and crop box.

const MIN_SCORE = 0.3;

export class KeypointLayer {
  /** place: the stored clip's position in the frame shown (see BodyOverlay); crop: a box in it, or an inset map. */
  constructor(canvas, { motion, edges, place, crop }) {
    Object.assign(this, { canvas, motion, place, crop });
    this.context = canvas.getContext("2d");
    const names = motion?.keypoint_names ?? [];
    this.edges = edges.map((pair) => pair.map((name) => names.indexOf(name))).filter(([a, b]) => a >= 0 && b >= 0);
    // Smaller dots for the 68 points of a face and the 42 of two hands, which would overlap otherwise.
    this.fine = names.map((name) => /^face-|(thumb|finger)\d$/.test(name));
    this.sides = names.map((name) => (name.startsWith("left") ? "#4db8ff" : name.startsWith("right") ? "#ff9d42" : "#ffe23c"));
  }

  resize(width, height) {
    const ratio = Math.min(devicePixelRatio, 2);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
  }

  draw(k, { keypoints, crop }) {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (keypoints && this.motion?.keypoints?.[k]) this.drawKeypoints(k);
    if (crop && this.crop) this.drawCrop();
  }

  drawKeypoints(k) {
    const { context, canvas } = this;
    const { scale = [1, 1], x = 0, y = 0, width, height } = this.place;
    const at = this.motion.keypoints[k].map(([px, py]) =>
      [((px * scale[0] + x) * canvas.width) / width, ((py * scale[1] + y) * canvas.height) / height]);
    const scores = this.motion.keypoint_scores[k];
    const unit = Math.max(1.2, Math.min(canvas.width, canvas.height) / 260);
    context.lineCap = "round";
    for (const [a, b] of this.edges) {
      if (Math.min(scores[a], scores[b]) < MIN_SCORE) continue;
      context.lineWidth = (this.fine[b] ? 0.7 : 1.6) * unit;
      context.strokeStyle = this.sides[a] === this.sides[b] ? this.sides[a] : "#ffe23c";
      context.beginPath();
      context.moveTo(...at[a]);
      context.lineTo(...at[b]);
      context.stroke();
    }
    at.forEach(([px, py], i) => {
      context.beginPath();
      context.arc(px, py, (this.fine[i] ? 0.8 : 2.4) * unit, 0, 2 * Math.PI);
      context.lineWidth = this.fine[i] ? 0.4 * unit : unit;
      if (scores[i] >= MIN_SCORE) {
        context.fillStyle = this.sides[i];
        context.fill();
        context.strokeStyle = "rgba(20, 20, 20, .8)";
      } else context.strokeStyle = "rgba(220, 220, 220, .85)";
      context.stroke();
    });
  }

  /** Draws the crop box on the source video; if the video is the crop, on a small map of the source. */
  drawCrop() {
    const { context, canvas } = this;
    const { box, width, height, map } = this.crop;
    const size = map ? Math.min(0.22 * canvas.width / width, 0.2 * canvas.height / height) : canvas.width / width;
    const tall = map ? size : canvas.height / height;
    const [left, top] = map ? [canvas.width - width * size - 0.02 * canvas.width, 0.02 * canvas.width] : [0, 0];
    const unit = Math.max(1.5, canvas.width / 400);
    if (map) {
      context.fillStyle = "rgba(12, 16, 20, .72)";
      context.fillRect(left, top, width * size, height * tall);
      context.strokeStyle = "rgba(255, 255, 255, .75)";
      context.lineWidth = unit;
      context.strokeRect(left, top, width * size, height * tall);
    }
    const [x0, y0, x1, y1] = box;
    context.strokeStyle = "#ff4fa3";
    context.lineWidth = 1.6 * unit;
    context.strokeRect(left + x0 * size, top + y0 * tall, (x1 - x0) * size, (y1 - y0) * tall);
  }
}
