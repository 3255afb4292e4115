// Sends labels to the server one at a time, in the order in which they were set.

import { postJson } from "./api.js";

const stored = new WeakMap(); // row -> the label on the server, while newer ones are pending
const newest = new WeakMap(); // row -> its last request
let last = Promise.resolve();

/** Labels a row immediately, and on the server after all earlier labels. Throws if the server refuses it. */
export async function sendLabel(row, label, reason) {
  if (!stored.has(row)) stored.set(row, { label: row.label, label_reason: row.label_reason });
  const change = { label, label_reason: reason };
  Object.assign(row, change);
  const request = last.then(() => postJson("/api/label", { clip_id: row.clip_id, label, reason }));
  newest.set(row, request);
  last = request.catch(() => {}); // a failure does not stop the next one
  try {
    await request;
    stored.set(row, change);
  } catch (error) {
    if (newest.get(row) === request) Object.assign(row, stored.get(row));
    throw error;
  } finally {
    if (newest.get(row) === request) stored.delete(row);
  }
}

/** Waits until every label so far is stored or refused. */
export const waitForLabels = () => last;
