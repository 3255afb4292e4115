// The SMPL motion as a skinned mesh: over the video, through the clip's own camera, and beside it, to turn around.

import { color } from "./color.js";
import * as THREE from "./vendor/three/three.module.min.js";
import { OrbitControls } from "./vendor/three/OrbitControls.js";

// As on the report's pictures: from green to red as the confidence falls, grey where a row is not valid.
const SURE = [70, 190, 120];
const UNSURE = [226, 92, 70];
const INVALID = [150, 150, 150];

/** Sum of the bones' lengths: the size of a skeleton. */
function size(joints, parents) {
  return parents.reduce((sum, parent, j) => (parent < 0 ? sum : sum + Math.hypot(...joints[j].map((x, i) => x - joints[parent][i]))), 0);
}

/** The body on a motion's own skeleton, in OpenCV's camera frame turned into three's. */
export class BodyMesh {
  constructor(body, motion, parents) {
    this.motion = motion;
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(body.vertices.flat(), 3));
    geometry.setAttribute("skinIndex", new THREE.Uint16BufferAttribute(body.weights.indices.flat(), 4));
    geometry.setAttribute("skinWeight", new THREE.Float32BufferAttribute(body.weights.values.flat(), 4));
    geometry.setIndex(body.faces.flat());
    geometry.computeVertexNormals();
    const rest = motion.rest_joints;
    this.bones = parents.map(() => new THREE.Bone());
    parents.forEach((parent, j) => {
      if (parent < 0) return;
      this.bones[parent].add(this.bones[j]);
      this.bones[j].position.set(...rest[j].map((x, i) => x - rest[parent][i]));
    });
    // A vertex seen from a joint is where the body, scaled to the motion's skeleton, has it.
    const scale = size(rest, parents) / size(body.rest_joints, parents);
    const inverses = body.rest_joints.map(([x, y, z]) =>
      new THREE.Matrix4().makeScale(scale, scale, scale).multiply(new THREE.Matrix4().makeTranslation(-x, -y, -z)));
    this.material = new THREE.MeshStandardMaterial({ roughness: 0.75, metalness: 0 });
    this.mesh = new THREE.SkinnedMesh(geometry, this.material);
    this.mesh.frustumCulled = false;
    this.mesh.add(this.bones[0]);
    this.mesh.bind(new THREE.Skeleton(this.bones, inverses), new THREE.Matrix4());
    this.group = new THREE.Group();
    this.group.rotation.x = Math.PI; // OpenCV's y is down and z ahead; three's y is up and z behind
    this.group.add(this.mesh);
  }

  pose(k) {
    const { motion } = this;
    const axis = new THREE.Vector3();
    this.bones.forEach((bone, j) => {
      axis.set(...(j === 0 ? motion.global_orient[k] : motion.body_pose[k][j - 1]));
      const angle = axis.length();
      if (angle > 1e-8) bone.quaternion.setFromAxisAngle(axis.divideScalar(angle), angle);
      else bone.quaternion.identity();
    });
    this.bones[0].position.set(...motion.rest_joints[0].map((x, i) => x + motion.transl[k][i]));
    const sure = Math.max(0, Math.min(motion.confidence[k], 1));
    const hue = motion.valid[k] ? SURE.map((x, i) => sure * x + (1 - sure) * UNSURE[i]) : INVALID;
    this.material.color.setRGB(...hue.map((x) => x / 255), THREE.SRGBColorSpace);
  }

  dispose() {
    this.mesh.geometry.dispose();
    this.mesh.skeleton.dispose();
    this.material.dispose();
  }
}

function light(scene) {
  scene.add(new THREE.HemisphereLight(0xffffff, 0x667080, 1.6));
  const sun = new THREE.DirectionalLight(0xffffff, 2);
  sun.position.set(1.2, 2.4, 2);
  scene.add(sun);
}

function rendererOf(canvas) {
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  return renderer;
}

/** The body over the video. x, y: where the stored clip lies in the picture that is shown, and how large. */
export class BodyOverlay {
  constructor(canvas, mesh, place) {
    this.canvas = canvas;
    this.mesh = mesh;
    this.renderer = rendererOf(canvas);
    this.scene = new THREE.Scene();
    light(this.scene);
    this.scene.add(mesh.group);
    mesh.material.transparent = true;
    mesh.material.opacity = 0.62;
    this.camera = new THREE.Camera();
    const [[fx, , cx], [, fy, cy]] = mesh.motion.cam_intrinsics;
    const { scale = [1, 1], x = 0, y = 0, width, height } = place;
    const [near, far] = [0.05, 200];
    const [ax, ay] = [(2 * fx * scale[0]) / width, (2 * fy * scale[1]) / height];
    const [bx, by] = [1 - (2 * (cx * scale[0] + x)) / width, (2 * (cy * scale[1] + y)) / height - 1];
    this.camera.projectionMatrix.set(
      ax, 0, bx, 0,
      0, ay, by, 0,
      0, 0, -(far + near) / (far - near), (-2 * far * near) / (far - near),
      0, 0, -1, 0);
    this.camera.projectionMatrixInverse.copy(this.camera.projectionMatrix).invert();
  }

  resize(width, height) {
    this.renderer.setSize(width, height, false);
  }

  draw(k) {
    this.mesh.pose(k);
    this.renderer.render(this.scene, this.camera);
  }

  clear() {
    this.renderer.clear();
  }

  close() {
    this.mesh.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}

/** The body in a room of its own: floor, the way of the pelvis, a camera to turn. */
export class BodyRoom {
  constructor(holder, mesh) {
    this.mesh = mesh;
    this.holder = holder;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-label", "The body in 3D: drag to turn, wheel to come near");
    holder.append(this.canvas);
    this.renderer = rendererOf(this.canvas);
    this.scene = new THREE.Scene();
    light(this.scene);
    this.scene.add(mesh.group);
    this.camera = new THREE.PerspectiveCamera(38, 1, 0.05, 200);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.maxPolarAngle = Math.PI * 0.95;
    this.controls.addEventListener("change", () => this.draw());
    const points = mesh.motion.joints.flat().map(([x, y, z]) => new THREE.Vector3(x, -y, -z));
    this.box = new THREE.Box3().setFromPoints(points);
    this.furnish();
    this.front();
    this.theme = () => { this.furnish(); this.draw(); };
    document.addEventListener("theme", this.theme);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(holder);
  }

  /** Grid and path, in the page's colours. */
  furnish() {
    this.floor?.removeFromParent();
    const centre = this.box.getCenter(new THREE.Vector3());
    const wide = Math.max(4, Math.ceil(Math.max(this.box.max.x - this.box.min.x, this.box.max.z - this.box.min.z)) + 2);
    const grid = new THREE.GridHelper(wide, wide * 2, color("--line-strong"), color("--line"));
    grid.position.set(centre.x, this.box.min.y - 0.03, centre.z);
    const way = new THREE.BufferGeometry().setFromPoints(
      this.mesh.motion.joints.map(([[x, , z]]) => new THREE.Vector3(x, this.box.min.y - 0.02, -z)));
    this.floor = new THREE.Group().add(grid, new THREE.Line(way, new THREE.LineBasicMaterial({ color: color("--accent") })));
    this.scene.add(this.floor);
  }

  /** Looks from where the clip's camera stood, a little from above. */
  front() {
    const centre = this.box.getCenter(new THREE.Vector3());
    const radius = Math.max(0.9, this.box.getSize(new THREE.Vector3()).length() / 2);
    const back = centre.clone().setY(0).normalize().multiplyScalar(-1);
    const away = radius / Math.sin((this.camera.fov * Math.PI) / 360) / Math.min(1, this.camera.aspect);
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).addScaledVector(back, away * 0.98).add(new THREE.Vector3(0, away * 0.2, 0));
    this.controls.update();
  }

  /** Turns around the body by radians, sideways and up. */
  turn(sideways, up) {
    const from = new THREE.Spherical().setFromVector3(this.camera.position.clone().sub(this.controls.target));
    from.theta += sideways;
    from.phi = Math.max(0.05, Math.min(Math.PI * 0.95, from.phi + up));
    this.camera.position.setFromSpherical(from).add(this.controls.target);
    this.controls.update();
  }

  zoom(by) {
    this.camera.position.sub(this.controls.target).multiplyScalar(by).add(this.controls.target);
    this.controls.update();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.holder;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (!this.sized) this.front();
    this.sized = true;
    this.draw();
  }

  show(k) {
    this.holder.dataset.frame = k;
    this.mesh.pose(k);
    this.draw();
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }

  close() {
    document.removeEventListener("theme", this.theme);
    this.watch.disconnect();
    this.controls.dispose();
    this.mesh.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}
