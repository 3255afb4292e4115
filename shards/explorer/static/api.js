// The server's answers. Every function throws an Error whose message is the server's one line.

async function answer(response) {
  const document = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new Error(document.error || `the server answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return document;
}

const lost = (error) => {
  if (error.name === "AbortError") throw error;
  throw new Error("the explorer's server does not answer: is `humove view` still running?");
};

export const get = (path, signal) => fetch(path, { signal }).catch(lost).then(answer);

export const post = (path, body, signal) =>
  fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  }).catch(lost).then(answer);

export const clipUrl = (id) => `/clip/${encodeURIComponent(id)}`;
export const videoUrl = (id) => `/media/${encodeURIComponent(id)}.mp4`;
export const pictureUrl = (id, plain = false) => `/media/${encodeURIComponent(id)}.jpg${plain ? "?plain=1" : ""}`;

/** Calls `work` with the newest argument only, one call at a time: what came between is dropped. */
export function newest(work) {
  let running = false;
  let waiting = null;
  return async function run(...args) {
    waiting = args;
    if (running) return;
    running = true;
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        await work(...next);
      }
    } finally {
      running = false;
    }
  };
}
