// Requests to the server. Every function throws an Error with the server's message.

async function readAnswer(response) {
  const document = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new Error(document.error || `the server answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return document;
}

const reportUnreachable = (error) => {
  if (error.name === "AbortError") throw error;
  throw new Error("the explorer's server does not respond: is `humove view` still running?");
};

export const getJson = (path, signal) => fetch(path, { signal }).catch(reportUnreachable).then(readAnswer);

export const postJson = (path, body, signal) =>
  fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  }).catch(reportUnreachable).then(readAnswer);

export const clipUrl = (id) => `/clip/${encodeURIComponent(id)}`;
export const videoUrl = (id) => `/media/${encodeURIComponent(id)}.mp4`;
export const thumbnailUrl = (id) => `/media/${encodeURIComponent(id)}.jpg`;

/** Wraps `work` to run one call at a time; of the calls made meanwhile, only the last one runs. */
export function runLatest(work) {
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
