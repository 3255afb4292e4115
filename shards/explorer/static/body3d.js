// The SMPL motion as a skinned mesh: over the video, through the clip's camera, and in a 3D view beside it.

import { resolveColor } from "./color.js";
import * as THREE from "./vendor/three/three.module.min.js";
import { OrbitControls } from "./vendor/three/OrbitControls.js";

// Same colours as in the report's frames: from green to red with falling confidence, grey for invalid rows.
const CONFIDENT = [70, 190, 120];
const UNCERTAIN = [226, 92, 70];
const INVALID = [150, 150, 150];

/** The size of a skeleton: the sum of its bones' lengths. */
function measureSkeleton(joints, parents) {
  return parents.reduce((sum, parent, j) => (parent < 0 ? sum : sum + Math.hypot(...joints[j].map((x, i) => x - joints[parent][i]))), 0);
}

/** The body on a motion's skeleton, converted from OpenCV's camera frame to three's. */
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
    // A vertex keeps its position relative to its joint in the body scaled to the motion's skeleton.
    const scale = measureSkeleton(rest, parents) / measureSkeleton(body.rest_joints, parents);
    const inverses = body.rest_joints.map(([x, y, z]) =>
      new THREE.Matrix4().makeScale(scale, scale, scale).multiply(new THREE.Matrix4().makeTranslation(-x, -y, -z)));
    this.material = new THREE.MeshStandardMaterial({ roughness: 0.75, metalness: 0 });
    this.mesh = new THREE.SkinnedMesh(geometry, this.material);
    this.mesh.frustumCulled = false;
    this.mesh.add(this.bones[0]);
    this.mesh.bind(new THREE.Skeleton(this.bones, inverses), new THREE.Matrix4());
    this.group = new THREE.Group();
    this.group.rotation.x = Math.PI; // OpenCV: y down, z forward; three: y up, z backward
    this.group.add(this.mesh);
  }

  setPose(k) {
    const { motion } = this;
    const axis = new THREE.Vector3();
    this.bones.forEach((bone, j) => {
      axis.set(...(j === 0 ? motion.global_orient[k] : motion.body_pose[k][j - 1]));
      const angle = axis.length();
      if (angle > 1e-8) bone.quaternion.setFromAxisAngle(axis.divideScalar(angle), angle);
      else bone.quaternion.identity();
    });
    this.bones[0].position.set(...motion.rest_joints[0].map((x, i) => x + motion.transl[k][i]));
    const confidence = Math.max(0, Math.min(motion.confidence[k], 1));
    const rgb = motion.valid[k] ? CONFIDENT.map((x, i) => confidence * x + (1 - confidence) * UNCERTAIN[i]) : INVALID;
    this.material.color.setRGB(...rgb.map((x) => x / 255), THREE.SRGBColorSpace);
  }

  dispose() {
    this.mesh.geometry.dispose();
    this.mesh.skeleton.dispose();
    this.material.dispose();
  }
}

function addLights(scene) {
  scene.add(new THREE.HemisphereLight(0xffffff, 0x667080, 1.6));
  const sun = new THREE.DirectionalLight(0xffffff, 2);
  sun.position.set(1.2, 2.4, 2);
  scene.add(sun);
}

function makeRenderer(canvas) {
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  return renderer;
}

/** The body over the video. place: position, scale and size of the stored clip in the frame shown, in px. */
export class BodyOverlay {
  constructor(canvas, mesh, place) {
    this.canvas = canvas;
    this.mesh = mesh;
    this.renderer = makeRenderer(canvas);
    this.scene = new THREE.Scene();
    addLights(this.scene);
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
    this.mesh.setPose(k);
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

/** The 3D view of the body: floor, path of the pelvis, and a camera to rotate. */
export class BodyRoom {
  constructor(holder, mesh) {
    this.mesh = mesh;
    this.holder = holder;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-label", "The body in 3D: drag to rotate, wheel to zoom");
    holder.append(this.canvas);
    this.renderer = makeRenderer(this.canvas);
    this.scene = new THREE.Scene();
    addLights(this.scene);
    this.scene.add(mesh.group);
    this.camera = new THREE.PerspectiveCamera(38, 1, 0.05, 200);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.maxPolarAngle = Math.PI * 0.95;
    this.controls.addEventListener("change", () => this.draw());
    const points = mesh.motion.joints.flat().map(([x, y, z]) => new THREE.Vector3(x, -y, -z));
    this.box = new THREE.Box3().setFromPoints(points);
    this.addFloor();
    this.resetView();
    this.onTheme = () => { this.addFloor(); this.draw(); };
    document.addEventListener("theme", this.onTheme);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(holder);
  }

  /** Adds the grid and the path in the page's colours. */
  addFloor() {
    this.floor?.removeFromParent();
    const centre = this.box.getCenter(new THREE.Vector3());
    const width = Math.max(4, Math.ceil(Math.max(this.box.max.x - this.box.min.x, this.box.max.z - this.box.min.z)) + 2);
    const grid = new THREE.GridHelper(width, width * 2, resolveColor("--line-strong"), resolveColor("--line"));
    grid.position.set(centre.x, this.box.min.y - 0.03, centre.z);
    const path = new THREE.BufferGeometry().setFromPoints(
      this.mesh.motion.joints.map(([[x, , z]]) => new THREE.Vector3(x, this.box.min.y - 0.02, -z)));
    this.floor = new THREE.Group().add(grid, new THREE.Line(path, new THREE.LineBasicMaterial({ color: resolveColor("--accent") })));
    this.scene.add(this.floor);
  }

  /** Views the body from the direction of the clip's camera, slightly from above. */
  resetView() {
    const centre = this.box.getCenter(new THREE.Vector3());
    const radius = Math.max(0.9, this.box.getSize(new THREE.Vector3()).length() / 2);
    const back = centre.clone().setY(0).normalize().multiplyScalar(-1);
    const distance = radius / Math.sin((this.camera.fov * Math.PI) / 360) / Math.min(1, this.camera.aspect);
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).addScaledVector(back, distance * 0.98).add(new THREE.Vector3(0, distance * 0.2, 0));
    this.controls.update();
  }

  /** Rotates the camera around the body by radians, sideways and up. */
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
    if (!this.sized) this.resetView();
    this.sized = true;
    this.draw();
  }

  show(k) {
    this.holder.dataset.frame = k;
    this.mesh.setPose(k);
    this.draw();
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }

  close() {
    document.removeEventListener("theme", this.onTheme);
    this.observer.disconnect();
    this.controls.dispose();
    this.mesh.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}
